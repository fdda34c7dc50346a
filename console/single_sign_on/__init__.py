"""Single sign-on: people log in at an OpenID provider, by the authorization-code flow with PKCE."""
