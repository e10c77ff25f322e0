//! The token endpoint: three ways to log in, each checked as the real one checks it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::org::Org;
use super::wire::{Answer, Request, form};

/// Hosts that an assertion may be made for, beside this server's own address.
const AUDIENCES: [&str; 2] = ["https://login.salesforce.com", "https://test.salesforce.com"];

/// Answers a request to the token endpoint.
pub(crate) fn token(org: &mut Org, request: &Request, url: &str) -> Answer {
    if request.method != "POST" {
        return refused(405, "invalid_request", "must use HTTP POST");
    }
    let form = form(&request.body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let granted = match field("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => check_assertion(org, field("assertion"), url),
        "client_credentials" => check_client(org, request, &field),
        "password" => check_client(org, request, &field).and_then(|()| {
            if field("username") == org.app.username && field("password") == org.app.password {
                Ok(())
            } else {
                Err(("invalid_grant", "authentication failure"))
            }
        }),
        _ => Err(("unsupported_grant_type", "grant type not supported")),
    };
    org.logins += 1;
    match granted {
        Ok(()) => grant(org, url),
        Err((error, description)) => refused(400, error, description),
    }
}

fn refused(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, &json!({ "error": error, "error_description": description }))
}

fn grant(org: &mut Org, url: &str) -> Answer {
    let token = format!("00D5g000001Test!AQ{:018}canary", org.unique());
    org.sessions.push(token.clone());
    let instance = org.instance.clone().unwrap_or_else(|| url.to_owned());
    Answer::json(
        200,
        &json!({
            "access_token": token, "instance_url": instance, "token_type": "Bearer", "scope": "api refresh_token",
            "id": format!("{url}/id/00D5g000001TestEAE/0055g000001TestAAA"),
            "issued_at": org.now().as_millisecond().to_string(), "signature": STANDARD.encode("signature"),
        }),
    )
}

/// Ends a session.
pub(crate) fn revoke(org: &mut Org, request: &Request) -> Answer {
    let form = form(&request.body);
    let token = form.iter().find(|(key, _)| key == "token").map_or("", |(_, value)| value.as_str());
    let before = org.sessions.len();
    org.sessions.retain(|session| session != token);
    if org.sessions.len() < before {
        Answer::empty(200)
    } else {
        refused(400, "unsupported_token_type", "this token type is not supported")
    }
}

type Verdict = Result<(), (&'static str, &'static str)>;

fn check_client<'a>(org: &Org, request: &Request, field: &impl Fn(&str) -> &'a str) -> Verdict {
    let basic = request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let basic =
        basic.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let (id, secret) = match basic.as_deref().and_then(|text| text.split_once(':')) {
        Some((id, secret)) => (id.to_owned(), secret.to_owned()),
        None => (field("client_id").to_owned(), field("client_secret").to_owned()),
    };
    if id != org.app.client_id {
        Err(("invalid_client_id", "client identifier invalid"))
    } else if secret != org.app.client_secret {
        Err(("invalid_client", "invalid client credentials"))
    } else {
        Ok(())
    }
}

fn check_assertion(org: &Org, assertion: &str, url: &str) -> Verdict {
    let invalid = ("invalid_grant", "invalid assertion");
    let (signed, signature) = assertion.rsplit_once('.').ok_or(invalid)?;
    let (header, claims) = signed.split_once('.').ok_or(invalid)?;
    let json =
        |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
    let (header, claims) = json(header).zip(json(claims)).ok_or(invalid)?;
    if claims["iss"] != org.app.client_id.as_str() {
        return Err(("invalid_client_id", "client identifier invalid"));
    }
    let Some(key) = &org.app.public_key else {
        return Err(("invalid_app_access", "user is not admin approved to access this app"));
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid)?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
    if header["alg"] != "RS256" || key.verify(signed.as_bytes(), &signature).is_err() {
        return Err(invalid);
    }
    let audience = claims["aud"].as_str().unwrap_or_default();
    if audience != url && !AUDIENCES.contains(&audience) {
        return Err(("invalid_grant", "audience is invalid"));
    }
    if claims["sub"] != org.app.username.as_str() {
        return Err(("invalid_grant", "user hasn't approved this consumer"));
    }
    let now = org.now().as_second();
    let expires = claims["exp"].as_i64().or_else(|| claims["exp"].as_str()?.parse().ok()).unwrap_or(0);
    if !(now..=now + 300).contains(&expires) {
        return Err(("invalid_grant", "assertion is expired or is valid for too long"));
    }
    Ok(())
}
