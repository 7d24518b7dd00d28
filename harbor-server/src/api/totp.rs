//! A user's second factor: what Harbor's users ask for and Harbor has not.

use axum::body::Body;
use harbor_core::access::Secret;
use harbor_core::access::permission::UserTotpDelete;
use harbor_core::api::{TotpConfirmReq, TotpCreated, TotpDeleteReq, TotpRecoveryCodes, TotpReq, TotpState};
use harbor_core::meta::UserId;
use harbor_core::{Error, Result};
use http::{Response, StatusCode};

use super::answer::{Answered, done, ok, with};
use super::call::Call;
use crate::app;
use crate::v2::address;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "getTotp" => get(call).await?,
        "createTotp" => create(call).await?,
        "confirmTotp" => confirm(call).await?,
        "deleteTotp" => delete(call).await?,
        "resetTotp" => reset(call).await?,
        _ => return Ok(None),
    }))
}

async fn get(call: &Call<'_>) -> Result<Response<Body>> {
    let factors = call.accounts()?.second_factors(call.harbor());
    let left = factors.state(&factors.own_by_token(&call.actor).await?).await?;
    ok(&TotpState { enabled: left.is_some(), recovery_codes_left: left.unwrap_or_default() as u64 })
}

async fn create(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = call.accounts()?.second_factors(call.harbor()).own(&call.actor).await?;
    let body: TotpReq = call.json().await?;
    let (password, from) = (Secret::new(body.password), app::address(call.parts));
    // The application shows by it what the code is for.
    let address = address(call.app, call.parts);
    let issuer = address.split_once("://").map_or(address.as_str(), |(_, host)| host);
    let factors = call.accounts()?.second_factors(call.harbor());
    let made = factors.enrol(proof, &password, issuer, from).await?;
    let created = TotpCreated { secret: made.secret.expose().to_owned(), uri: made.uri.expose().to_owned() };
    with(StatusCode::CREATED, &created)
}

async fn confirm(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = call.accounts()?.second_factors(call.harbor()).own(&call.actor).await?;
    let body: TotpConfirmReq = call.json().await?;
    let (code, from) = (Secret::new(body.code), app::address(call.parts));
    let codes = call.accounts()?.second_factors(call.harbor()).confirm(proof, &code, from).await?;
    ok(&TotpRecoveryCodes { recovery_codes: codes.iter().map(|code| code.expose().to_owned()).collect() })
}

async fn delete(call: &mut Call<'_>) -> Result<Response<Body>> {
    let proof = call.accounts()?.second_factors(call.harbor()).own_by_token(&call.actor).await?;
    let body: TotpDeleteReq = call.json().await?;
    let (password, code) = (Secret::new(body.password), Secret::new(body.code));
    let from = app::address(call.parts);
    call.accounts()?.second_factors(call.harbor()).disable(proof, &password, &code, from).await?;
    Ok(done())
}

async fn reset(call: &Call<'_>) -> Result<Response<Body>> {
    let proof = call.system::<UserTotpDelete>().await?;
    if !call.actor.is_administrator() {
        return Err(Error::Denied);
    }
    let id = UserId::new(call.id("user_id", "user")?);
    call.accounts()?.second_factors(call.harbor()).reset(proof, id).await?;
    Ok(done())
}
