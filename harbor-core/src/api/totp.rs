use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Whether a user has a second factor. Harbor has no such thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotpState {
    /// Whether a code is asked for at the login.
    pub enabled: bool,
    /// How many recovery codes are left.
    pub recovery_codes_left: u64,
}

/// A second factor about to be made.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TotpReq {
    /// The user's password.
    pub password: String,
}

/// A second factor that was made, and is not on yet. It is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotpCreated {
    /// The secret in base 32, for those who type it into an authenticator application.
    pub secret: String,
    /// The `otpauth://` address with the secret, to be shown as a picture.
    pub uri: String,
}

/// A code that turns a second factor on.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TotpConfirmReq {
    /// A code of the authenticator application.
    pub code: String,
}

/// Codes for when the authenticator application is lost. They are shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TotpRecoveryCodes {
    /// Each works once.
    pub recovery_codes: Vec<String>,
}

/// What takes a second factor away.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TotpDeleteReq {
    /// The user's password.
    pub password: String,
    /// A code of the authenticator application, or a recovery code.
    pub code: String,
}
