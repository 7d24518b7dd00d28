//! The configuration: what an administrator may set while the registry runs.

use std::collections::BTreeMap;

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{SystemConfigurationRead, SystemConfigurationUpdate};
use harbor_core::api::{ConfigItem, Configurations, ConfigurationsResponse};
use harbor_core::{ConfigKey, Result};
use http::Response;

use super::answer::{Answered, done, ok};
use super::call::Call;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        // As with Harbor, the internal one has no more than its own programs need: here, the same.
        "getConfigurations" | "getInternalconfig" => get(&call.system().await?, call).await?,
        "updateConfigurations" => update(call.system().await?, call).await?,
        _ => return Ok(None),
    }))
}

async fn get(proof: &Authorized<SystemConfigurationRead>, call: &Call<'_>) -> Result<Response<Body>> {
    let configuration = call.harbor().configurations().get(proof).await?;
    let item = |key: ConfigKey| {
        let item = ConfigItem { value: configuration.value(key), editable: !configuration.is_fixed(key) };
        (key.name().to_owned(), item)
    };
    let mut items: BTreeMap<String, ConfigItem> = ConfigKey::all().map(item).collect();
    // How people log in: there is no other way yet.
    items.insert("auth_mode".to_owned(), ConfigItem { value: "db_auth".into(), editable: false });
    ok(&ConfigurationsResponse(items))
}

async fn update(proof: Authorized<SystemConfigurationUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let Configurations(values) = call.json().await?;
    call.harbor().configurations().update(proof, &values).await?;
    Ok(done())
}
