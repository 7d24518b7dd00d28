use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A value of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigItem {
    /// The value.
    #[serde(default)]
    pub value: Value,
    /// Whether it can be set, and is not fixed by the server's file or environment.
    pub editable: bool,
}

/// Values of the configuration to be set, by name. Names that there are not are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Configurations(pub BTreeMap<String, Value>);

/// The values of the configuration, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ConfigurationsResponse(pub BTreeMap<String, ConfigItem>);
