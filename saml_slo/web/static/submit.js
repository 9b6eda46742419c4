// Submits the one form of a page that passes a SAML message on (HTTP-POST binding). Without it there is a button.
document.querySelector("form[data-submit]").submit();
