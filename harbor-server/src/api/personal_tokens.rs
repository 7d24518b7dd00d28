//! A user's own access tokens: what Harbor's users ask for and Harbor has not.

use axum::body::Body;
use harbor_auth::Grants;
use harbor_core::Result;
use harbor_core::api::{self, PersonalTokenCreated, PersonalTokenReq};
use harbor_core::meta::TokenId;
use http::{Response, StatusCode};

use super::answer::{Answered, done, located, ok, with};
use super::call::Call;
use super::robots::{given, seconds, shown};

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "listPersonalTokens" => list(call).await?,
        "createPersonalToken" => create(call).await?,
        "deletePersonalToken" => delete(call).await?,
        _ => return Ok(None),
    }))
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let tokens = call.accounts()?.personal_tokens(call.harbor());
    let proof = tokens.own(&call.actor).await?;
    let mut wires = Vec::new();
    for token in tokens.list(&proof).await? {
        let scopes = match call.accounts()?.scopes_of(&token)? {
            Some(grants) => shown(call, &grants).await?,
            None => Vec::new(),
        };
        wires.push(api::PersonalToken {
            id: token.id.get(),
            name: token.name,
            expires_at: seconds(token.expires_at),
            scopes,
            creation_time: token.created_at,
            last_used: token.used_at,
        });
    }
    ok(&wires)
}

async fn create(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = call.accounts()?.personal_tokens(call.harbor()).own(&call.actor).await?;
    let body: PersonalTokenReq = call.json().await?;
    let grants: Option<Grants> = match &body.scopes[..] {
        [] => None,
        scopes => Some(given(call, scopes, None).await?),
    };
    let tokens = call.accounts()?.personal_tokens(call.harbor());
    let (token, secret) = tokens.create(proof, &body.name, body.duration, grants.as_ref()).await?;
    let created = PersonalTokenCreated {
        id: token.id.get(),
        name: token.name,
        token: secret.expose().to_owned(),
        expires_at: seconds(token.expires_at),
    };
    let mut response = with(StatusCode::CREATED, &created)?;
    located(&mut response, call, &created.id.to_string());
    Ok(response)
}

async fn delete(call: &Call<'_>) -> Result<Response<Body>> {
    let tokens = call.accounts()?.personal_tokens(call.harbor());
    let proof = tokens.own(&call.actor).await?;
    tokens.delete(proof, TokenId::new(call.id("token_id", "token")?)).await?;
    Ok(done())
}
