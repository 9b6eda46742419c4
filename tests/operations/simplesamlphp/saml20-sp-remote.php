<?php
$metadata['http://127.0.0.1:18092/metadata'] = array (
  'entityid' => 'http://127.0.0.1:18092/metadata',
  'contacts' => 
  array (
  ),
  'metadata-set' => 'saml20-sp-remote',
  'AssertionConsumerService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18092/app/acs',
      'index' => 0,
      'isDefault' => true,
    ),
  ),
  'SingleLogoutService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
      'Location' => 'http://127.0.0.1:18092/app/slo',
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18092/app/slo',
    ),
  ),
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'keys' => 
  array (
    0 => 
    array (
      'encryption' => false,
      'signing' => true,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDHzCCAgegAwIBAgIUaulZTtLUrqUBminOOaTlTLu4aB8wDQYJKoZIhvcNAQELBQAwHzEdMBsGA1UEAwwUbGFiIHNhbWxpZnktc3AtMTgwOTIwHhcNMjYxMTIwMDQyNTAxWhcNMzYxMTE3MDQyNTAxWjAfMR0wGwYDVQQDDBRsYWIgc2FtbGlmeS1zcC0xODA5MjCCASIwDQYJKoZIhvcNAQEBBQADggEPADCCAQoCggEBAKn5MKWUS+L1NBT+3zi/SYAA4FALYOpIzUQWEZLHkh68mFalN91RI19deLQ9NxQ7bWJ1ce1nu8u65c3sXanWiTAGPgDtphQvu3D0l4Q01LLq1y2+9WCoD8RO9Gmf6+n5as3QZwaapsv5kHVXF9Q7SAdiIDFF63uF5PTetbVMJkkZA0caDkr5PM/JcQEI8BQtk33mMxOtoSSFWlLRd5hgN/9LgcZvgi+lJz6had1HfC2HbgQ3SUdLfrxgpRjk6gD4chBPGaebo7Dl+bHrZYM7jRrHASbLBGIfkeunCjn1ZwKMW3STzRPZ2XsuOWMNKZSc928NLd18gHKfKJSlacOt2eMCAwEAAaNTMFEwHQYDVR0OBBYEFAd8DEdyzFWJM0pAohwlqSPJcsWzMB8GA1UdIwQYMBaAFAd8DEdyzFWJM0pAohwlqSPJcsWzMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEBAH/JDJgAmobpQm7/8NjVrXCD5B3nMydd8wqraRtFAvmhI9oEYQpxIhB+oT9bg+5ikSoeau/tayO6EojO5m7hdEGa6Jm0CKQ9SzKoL704HeB7mEguyESaUk8JpicQvCNdhELQ5M+1di02MW+6dr30FyquPr/eDP547YUDcGGJAnU5woKVWjSjbGwIZgfxROq4zl1nOwcHll7g/YlXZ1u68t75/rxHg8p4BD7Tpbnhg9Le2f4lMFSaRxPfoDQuxkleJEIDag5yGzTSDFzlgTR7kDh/EBX7ssW8/SQoxzksUQopM/woDAW93iZAqPyxanpuxwQR961Toz8HiNTEhSSGErI=',
    ),
  ),
  'validate.authnrequest' => true,
  'saml20.sign.assertion' => true,
);
$metadata['http://127.0.0.1:18091/metadata'] = array (
  'entityid' => 'http://127.0.0.1:18091/metadata',
  'contacts' => 
  array (
  ),
  'metadata-set' => 'saml20-sp-remote',
  'AssertionConsumerService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18091/app/acs',
      'index' => 1,
      'isDefault' => true,
    ),
  ),
  'SingleLogoutService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18091/app/slo',
    ),
  ),
  'keys' => 
  array (
    0 => 
    array (
      'encryption' => false,
      'signing' => true,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDIzCCAgugAwIBAgIUJfG6j+u7CRfQ+0aP5YSuze/mgw4wDQYJKoZIhvcNAQELBQAwITEfMB0GA1UEAwwWbGFiIG5vZGUtc2FtbC1zcC0xODA5MTAeFw0yNjExMjAwNDI1MDBaFw0zNjExMTcwNDI1MDBaMCExHzAdBgNVBAMMFmxhYiBub2RlLXNhbWwtc3AtMTgwOTEwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQChmeSDfT21irl/yOUWrYMZrMEacwQ3aODanSfazzsO41DcsracG3WNGYjLlOyc7IPm7kl8N59FRW3AvIZpy3VDLHSxOHJw2a3c2PawMNmwAxKI/H5o767qO7uHqoV1LWqfaz7aa30b5ZnEhgXwAiZDy08oelba/QM6E+l7pfA8gIr4DsZDDXRWK6DLjtLqujKp5sbyKCrG/8VIsx+qc6dkw4cjR6x1AXKavXMGEmHXLk3+EcrXaO3Gl7uay+sW+ALn8nHCz6KrT05Yq9iVtRq5jtCiS2fu1qPG297GZxs+1deK51SkrnzxoNGCnrwaH5xaqycHm0LNCNuPvEgXR9zzAgMBAAGjUzBRMB0GA1UdDgQWBBTHmP7hqPPxbLPDdlWSa4HNVoDkYDAfBgNVHSMEGDAWgBTHmP7hqPPxbLPDdlWSa4HNVoDkYDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAENLz/1Lc7IrfrloX98Joe70CGcGqXCu3B0QrOX3FPlE7+8/c7nydpXpM1iif8oypQ2T+EkwDZbUNfJbqaC1faXAbSMRJ59Vz4naRvxuHaN1nRmpk3QJKplC5LYgOqyl0RH65Z+LOx/w5X5oiTSq0ChIdBdPNfuAajEwWc0U8fv4mXyZjwe0UyF6u+NZk+3ExQMzUI8nDF/IWOJLRNDxuWSa2pJKVMKAkaU02Bt4K9mn9QcNf9yXloLnr3sOElWbGAH0+bp6db/wrU+sXw1EDpUBjFeGVdiBKdhvHtt0GCwvctopFIqsuBJ9RCesfyBX4yUdzcL0jzN4TDot+T4Jnh',
    ),
  ),
  'validate.authnrequest' => true,
  'saml20.sign.assertion' => true,
);
$metadata['http://127.0.0.1:18081/simplesaml/module.php/saml/sp/metadata.php/sp1'] = array (
  'entityid' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/metadata.php/sp1',
  'contacts' => 
  array (
  ),
  'metadata-set' => 'saml20-sp-remote',
  'AssertionConsumerService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST',
      'Location' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/saml2-acs.php/sp1',
      'index' => 0,
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:1.0:profiles:browser-post',
      'Location' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/saml1-acs.php/sp1',
      'index' => 1,
    ),
    2 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact',
      'Location' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/saml2-acs.php/sp1',
      'index' => 2,
    ),
    3 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:1.0:profiles:artifact-01',
      'Location' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/saml1-acs.php/sp1/artifact',
      'index' => 3,
    ),
  ),
  'SingleLogoutService' => 
  array (
    0 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect',
      'Location' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/saml2-logout.php/sp1',
    ),
    1 => 
    array (
      'Binding' => 'urn:oasis:names:tc:SAML:2.0:bindings:SOAP',
      'Location' => 'http://127.0.0.1:18081/simplesaml/module.php/saml/sp/saml2-logout.php/sp1',
    ),
  ),
  'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
  'keys' => 
  array (
    0 => 
    array (
      'encryption' => false,
      'signing' => true,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDBTCCAe2gAwIBAgIUP0VVKZHgqKG6C1HKHFAgixgVHHswDQYJKoZIhvcNAQELBQAwEjEQMA4GA1UEAwwHbGFiIHNwMTAeFw0yNjExMjAwNDE5NDJaFw0zNjExMTcwNDE5NDJaMBIxEDAOBgNVBAMMB2xhYiBzcDEwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCp/qWZuuP5rVYKkma6Rm/mrMTwdA0wwjhNzuYi36dYJhza4VaQDIIhhR1FQ3mGcp+NzE0kx2P08YDk/nZwkkmwKx406Gpb8x80d2oqcadbVStN7osZVzkL/jmGKotOt+Br7C2yvjVFjMGxlRfOvptK76kOLe1k1CEyZja+A9ETqkaBsGhTvIhdRs+1n3/O43PXS58VR7d8FyO0vJd4z5/0k+kKg/WmbjwWDw4AZxRjQ0tw21gOTauakNGtcmAgv++QzjWwSVPBFSNSyHD+lJjslQSxwgJW2Ezgwyqm82rAXsThI2wjMjkYqLa8zMNqwXtYFVDizkbAr5q0nUzoCY5ZAgMBAAGjUzBRMB0GA1UdDgQWBBQfhumsUg9dZPT6eH3KeX0CupKVfDAfBgNVHSMEGDAWgBQfhumsUg9dZPT6eH3KeX0CupKVfDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAsuLxqaDektXE+6QfGz1dpt/8Cl5JMN/eiGWEZ+mA+rT2BrdgQZYnVnDyAdFnfC2fvs9qIqIae04OXHH10abb+YATMsiv7020y8lZQTX1EuAu/X+7BxPz8S0phcz+TDtHW0/AjpvdHPNLPJsAKbdqIJJlBO2licVXDC1YwHwZ35dzu5FPeMs1HzCIvZNXPTUHmyTkgAlP2k7IldKIhRq748UOALB5W8mzHfbJsWVXg64DqYZwsfMzJm8oXgHZmEwMU8AVHwBuGz6VeCUtyKh8Oeu42Wq8bmmXd1Zzs/gZSxpicxaCdjH1oO85o2KXQSTERGhylYF+bqZBjqM8exq3V',
    ),
    1 => 
    array (
      'encryption' => true,
      'signing' => false,
      'type' => 'X509Certificate',
      'X509Certificate' => 'MIIDBTCCAe2gAwIBAgIUP0VVKZHgqKG6C1HKHFAgixgVHHswDQYJKoZIhvcNAQELBQAwEjEQMA4GA1UEAwwHbGFiIHNwMTAeFw0yNjExMjAwNDE5NDJaFw0zNjExMTcwNDE5NDJaMBIxEDAOBgNVBAMMB2xhYiBzcDEwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCp/qWZuuP5rVYKkma6Rm/mrMTwdA0wwjhNzuYi36dYJhza4VaQDIIhhR1FQ3mGcp+NzE0kx2P08YDk/nZwkkmwKx406Gpb8x80d2oqcadbVStN7osZVzkL/jmGKotOt+Br7C2yvjVFjMGxlRfOvptK76kOLe1k1CEyZja+A9ETqkaBsGhTvIhdRs+1n3/O43PXS58VR7d8FyO0vJd4z5/0k+kKg/WmbjwWDw4AZxRjQ0tw21gOTauakNGtcmAgv++QzjWwSVPBFSNSyHD+lJjslQSxwgJW2Ezgwyqm82rAXsThI2wjMjkYqLa8zMNqwXtYFVDizkbAr5q0nUzoCY5ZAgMBAAGjUzBRMB0GA1UdDgQWBBQfhumsUg9dZPT6eH3KeX0CupKVfDAfBgNVHSMEGDAWgBQfhumsUg9dZPT6eH3KeX0CupKVfDAPBgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQAsuLxqaDektXE+6QfGz1dpt/8Cl5JMN/eiGWEZ+mA+rT2BrdgQZYnVnDyAdFnfC2fvs9qIqIae04OXHH10abb+YATMsiv7020y8lZQTX1EuAu/X+7BxPz8S0phcz+TDtHW0/AjpvdHPNLPJsAKbdqIJJlBO2licVXDC1YwHwZ35dzu5FPeMs1HzCIvZNXPTUHmyTkgAlP2k7IldKIhRq748UOALB5W8mzHfbJsWVXg64DqYZwsfMzJm8oXgHZmEwMU8AVHwBuGz6VeCUtyKh8Oeu42Wq8bmmXd1Zzs/gZSxpicxaCdjH1oO85o2KXQSTERGhylYF+bqZBjqM8exq3V',
    ),
  ),
  'validate.authnrequest' => true,
  'saml20.sign.assertion' => true,
);
