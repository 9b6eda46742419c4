<?php
$metadata['http://127.0.0.1:18080/simplesaml/saml2/idp/metadata.php'] = array (
  'entityid' => 'http://127.0.0.1:18080/simplesaml/saml2/idp/metadata.php',
  'contacts' => 
  array (
  ),
  'metadata-set' => 'saml20-idp-remote',
  'SingleSignOnService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
      'Location' => 'http://127.0.0.1:18080/simplesaml/saml2/idp/SSOService.php',
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18080/simplesaml/saml2/idp/SSOService.php',
    ),
  ),
  'SingleLogoutService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
      'Location' => 'http://127.0.0.1:18080/simplesaml/saml2/idp/SingleLogoutService.php',
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18080/simplesaml/saml2/idp/SingleLogoutService.php',
    ),
  ),
  'ArtifactResolutionService' => 
  array (
  ),
  'NameIDFormats' => 
  array (
    0 => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  ),
  'keys' => 
  array (
    0 => 
    array (
      'encryption' => false,
      'signing' => true,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDBTCCAe2gAwIBAgIUGpNRqRTBlKk5gZ2HHR1tveu91VwwDQYJKoZIhvcNAQELBQAwEjEQMA4GA1UEAwwHbGFiIGlkcDAeFw0yNjExMjAwNDE5NDFaFw0zNjExMTcwNDE5NDFaMBIxEDAOBgNVBAMMB2xhYiBpZHAwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCuhbTmsQ5MrzxkIai/MOaavUSQnF2BuV2QdutjH87ko7knNv57y8ptSsuF6jJo/7jvp8SC1hGhbCy6Vt7C488gntodL1GXxb4/cf7X84m0mVLSZsGVtrKSR6NEIpLpVGeAnksPx41ovVEYkTdMjLMi4rB0fZ8AJHBu1pd4hENzdoTsDgYrzOW2vbmUO0+d34FvdgrT4zBLN4eKTXzW1KMFYiyqvO/UXXmV8ga3R126uhDbxrjX7m2fX2Srxdnc9+3XR//C40/LfcY83EYEKm3IXNNf99n3uvDqzjW8cmtih1bsAzi+ttcNX3XL34JyZikl0KVcYVRQ6U2VFBa69D0TAgMBAAGjUzBRMB0GA1UdDgQWBBTWNr7UV9fBA/auAsawvQzvbw+XwTAfBgNVHSMEGDAWgBTWNr7UV9fBA/auAsawvQzvbw+XwTAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQBV8Zinr5jhqZWjENQ8kyH6bgRwz3L3LioXgjK9DnPTf7czQw2pEXl8F1ftCYYACjbmG+TclkBtiEV5mKL6gkW8aGgTKD1mo+L9MtEsSXDHTWI2Ufx6FutuAFt3ojpVVDxQxlWqKEunJpeuFF7QMn+E9eCyGKQTqRNpQyVkayjlIX0a8tMxumcRz2hjsPVbnjNuWxF3VmTPwcpOa0ANTQR/FRfMZu6teryCRwcv/UAPqnLDt+pji4Wn5XVxJBc0UamhlzYHCIsUwprWwO9g47AC6gMvMb3nwvjr2JNNyEYoXGYy9s91BreEzoPzxZaAuL3MVqyKJmBPLt2T4D4ejPHW',
    ),
    1 => 
    array (
      'encryption' => true,
      'signing' => false,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDBTCCAe2gAwIBAgIUGpNRqRTBlKk5gZ2HHR1tveu91VwwDQYJKoZIhvcNAQELBQAwEjEQMA4GA1UEAwwHbGFiIGlkcDAeFw0yNjExMjAwNDE5NDFaFw0zNjExMTcwNDE5NDFaMBIxEDAOBgNVBAMMB2xhYiBpZHAwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCuhbTmsQ5MrzxkIai/MOaavUSQnF2BuV2QdutjH87ko7knNv57y8ptSsuF6jJo/7jvp8SC1hGhbCy6Vt7C488gntodL1GXxb4/cf7X84m0mVLSZsGVtrKSR6NEIpLpVGeAnksPx41ovVEYkTdMjLMi4rB0fZ8AJHBu1pd4hENzdoTsDgYrzOW2vbmUO0+d34FvdgrT4zBLN4eKTXzW1KMFYiyqvO/UXXmV8ga3R126uhDbxrjX7m2fX2Srxdnc9+3XR//C40/LfcY83EYEKm3IXNNf99n3uvDqzjW8cmtih1bsAzi+ttcNX3XL34JyZikl0KVcYVRQ6U2VFBa69D0TAgMBAAGjUzBRMB0GA1UdDgQWBBTWNr7UV9fBA/auAsawvQzvbw+XwTAfBgNVHSMEGDAWgBTWNr7UV9fBA/auAsawvQzvbw+XwTAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQBV8Zinr5jhqZWjENQ8kyH6bgRwz3L3LioXgjK9DnPTf7czQw2pEXl8F1ftCYYACjbmG+TclkBtiEV5mKL6gkW8aGgTKD1mo+L9MtEsSXDHTWI2Ufx6FutuAFt3ojpVVDxQxlWqKEunJpeuFF7QMn+E9eCyGKQTqRNpQyVkayjlIX0a8tMxumcRz2hjsPVbnjNuWxF3VmTPwcpOa0ANTQR/FRfMZu6teryCRwcv/UAPqnLDt+pji4Wn5XVxJBc0UamhlzYHCIsUwprWwO9g47AC6gMvMb3nwvjr2JNNyEYoXGYy9s91BreEzoPzxZaAuL3MVqyKJmBPLt2T4D4ejPHW',
    ),
  ),
);
$metadata['http://127.0.0.1:18090/metadata'] = array (
  'entityid' => 'http://127.0.0.1:18090/metadata',
  'contacts' => 
  array (
  ),
  'metadata-set' => 'saml20-idp-remote',
  'SingleSignOnService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
      'Location' => 'http://127.0.0.1:18090/sso',
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18090/sso',
    ),
  ),
  'SingleLogoutService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
      'Location' => 'http://127.0.0.1:18090/logout',
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18090/logout',
    ),
  ),
  'ArtifactResolutionService' => 
  array (
  ),
  'NameIDFormats' => 
  array (
    0 => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
    1 => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    2 => 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
  ),
  'keys' => 
  array (
    0 => 
    array (
      'encryption' => false,
      'signing' => true,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDHTCCAgWgAwIBAgIUTP48kqdT8prCPdvV3SAOppbyIzEwDQYJKoZIhvcNAQELBQAwHjEcMBoGA1UEAwwTbGFiIHNhbWxwLWlkcC0xODA5MDAeFw0yNjExMjAwNDI2MDVaFw0zNjExMTcwNDI2MDVaMB4xHDAaBgNVBAMME2xhYiBzYW1scC1pZHAtMTgwOTAwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQC4VLDHLWC67PmVNOq2Mwl/46tClfZyf/ByFUSj408HPGUdqBVzEmsAUo3kT3w9Pha9ZM457TWbomuPpx7sHAx1jWOEdqm8N7fhFJTJhtq8XSseR8yOzd2RMOf6kvZTg6EpMwwDLEp3Csg24tlbVqUZ91u8TfXAWTmHBQ73t+AuSfIl+NG4XigPtdVDcN0X+T6hTlUzf4IQFVfdyj1TGUH2mivHvT5RSlqkKN6ANrnvUeTU1z4vxX/L80TMTaDHuZZ+7o6BDTyx9T3E9/gc41O+5u/Rw/FQnrOCgeWEeoU8M9EghGtv9Nsnmkz1YXZaoqLt5zOrweR2hS75+i47iTqZAgMBAAGjUzBRMB0GA1UdDgQWBBQhpiJom2HcafHFas4yMvyabzvKtDAfBgNVHSMEGDAWgBQhpiJom2HcafHFas4yMvyabzvKtDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQA9NQ+n5vFRdhM7EbpnTa92/BLoIho7LFVrpc8zWKhyhM54E7IwUnum5UKMQKYgdYpoXuprBigwlZ5ae4wqEd6fDZf2XviEfJxV3o7gEW72S8UAzHP9ZjUthaPhHVdroAe1HyRzQjepZLof4Ekto111qO9crpkWDVjEZAuu9KVmLTqtNuyjcUXQGR7bO0h2aAAX97UumitaW5oOXOzkWA5jLEj0AT6Xqn4nIZeLm7nR8Eh08DyY7+w/SbMomJdKFELqSGBVIAGvLnNGHCvbqvtriaY7tj0+HCJah0MDqqhW3TMybYD/AsALsRJgYIsn4YZ6oFV4cdkSTjMJh97RPz7p',
    ),
  ),
);
