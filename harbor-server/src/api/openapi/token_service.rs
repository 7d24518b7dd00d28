//! The token service, which is no operation of the API, and which the API's bearer tokens come from as well as those of `/v2/`.

use harbor_auth::SERVICE;
use serde_json::{Map, Value, json};

use super::{refusals, responses};

/// Where it is.
pub(super) const PATH: &str = "/service/token";

/// What it can refuse: a service that this is not, wrong credentials or none at all, too many logins.
const REFUSES: [u16; 5] = [400, 401, 429, 500, 503];

/// It, as the document has operations.
pub(super) fn of() -> Value {
    let text = json!({ "type": "string" });
    let scopes = json!({ "type": "array", "items": text });
    let properties = json!({ "token": text, "access_token": text, "expires_in": { "type": "integer" },
        "issued_at": { "type": "string", "format": "date-time" } });
    let token = json!({ "type": "object", "properties": properties,
        "required": ["token", "access_token", "expires_in", "issued_at"] });
    let mut answers = Map::new();
    let issued = json!({ "description": "A token.", "content": responses::json_of(&token) });
    answers.insert("200".to_owned(), issued);
    for (status, description) in refusals::WORDS.into_iter().filter(|(status, _)| REFUSES.contains(status)) {
        answers.insert(status.to_string(), responses::refusal(description));
    }
    json!({ "get": {
        "operationId": "getToken",
        "tags": ["token service"],
        "summary": "A token for scopes, of which it carries what its holder may do; as nobody, for what everybody may pull",
        "description": "Needs somebody who has logged in, or a scope.",
        "parameters": [
            { "name": "service", "in": "query", "schema": { "type": "string", "enum": [SERVICE] } },
            { "name": "scope", "in": "query", "schema": scopes,
                "description": "As repository:library/app:pull,push; several of them, or several words of one." },
        ],
        "responses": answers,
        "security": [{}, { "basic": [] }],
    } })
}
