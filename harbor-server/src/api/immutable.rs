//! Rules of immutable tags.

use std::collections::BTreeMap;

use axum::body::Body;
use harbor_core::access::Authorized;
use harbor_core::access::permission::{
    ImmutableTagCreate, ImmutableTagDelete, ImmutableTagList, ImmutableTagUpdate,
};
use harbor_core::api::{self, ImmutableSelector};
use harbor_core::meta::{ImmutableRule, ImmutableRuleId, ImmutableRuleKey, ImmutableSelection};
use harbor_core::query::Query;
use harbor_core::selector::{KIND, Of, Selector};
use harbor_core::{Error, NewImmutableRule, Result};
use http::Response;
use serde_json::Value;

use super::answer::{Answered, created, done, page};
use super::call::Call;

/// The only thing that a rule does.
const ACTION: &str = "immutable";

/// The only thing that a rule is made from.
const TEMPLATE: &str = "immutable_template";

/// The only scope beside tags.
const REPOSITORY: &str = "repository";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "ListImmuRules" => list(&call.project().await?, call).await?,
        "CreateImmuRule" => create(call.project().await?, call).await?,
        "UpdateImmuRule" => update(call.project().await?, call).await?,
        "DeleteImmuRule" => delete(call.project().await?, call).await?,
        _ => return Ok(None),
    }))
}

fn rule_id(call: &Call<'_>) -> Result<ImmutableRuleId> {
    call.id("immutable_rule_id", "rule of immutable tags").map(ImmutableRuleId::new)
}

async fn list(proof: &Authorized<ImmutableTagList>, call: &Call<'_>) -> Result<Response<Body>> {
    let query: Query<ImmutableRuleKey> = call.list()?;
    let listed = call.harbor().immutable_rules().list(proof, &query).await?;
    page(call, &query, listed, wire)
}

async fn create(proof: Authorized<ImmutableTagCreate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let new = new(call.json().await?)?;
    let id = call.harbor().immutable_rules().create(proof, &new).await?;
    Ok(created(call, &id.get().to_string()))
}

async fn update(proof: Authorized<ImmutableTagUpdate>, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: Value = call.json().await?;
    let id = rule_id(call)?;
    let has = |member: &str| body.get(member).is_some_and(|value| !value.is_null());
    // Clients that turn a rule off and on send no more than that, as with Harbor.
    if let Some(disabled) = body.get("disabled").and_then(Value::as_bool)
        && !has("tag_selectors")
        && !has("scope_selectors")
    {
        call.harbor().immutable_rules().set_disabled(proof, id, disabled).await?;
        return Ok(done());
    }
    let body = serde_json::from_value(body).map_err(|error| Error::BadRequest(error.to_string()))?;
    let change = new(body)?;
    call.harbor().immutable_rules().update(proof, id, &change).await?;
    Ok(done())
}

async fn delete(proof: Authorized<ImmutableTagDelete>, call: &Call<'_>) -> Result<Response<Body>> {
    call.harbor().immutable_rules().delete(proof, rule_id(call)?).await?;
    Ok(done())
}

/// What a body says that a rule shall be.
fn new(mut body: api::ImmutableRule) -> Result<NewImmutableRule> {
    if body.action != ACTION {
        return Err(Error::BadRequest(format!(
            "the action of a rule is {ACTION}, and not {:?}",
            body.action
        )));
    }
    if !["", TEMPLATE].contains(&body.template.as_str()) {
        let rule = format!("the template of a rule is {TEMPLATE}, and not {:?}", body.template);
        return Err(Error::BadRequest(rule));
    }
    let repositories = body.scope_selectors.remove(REPOSITORY).unwrap_or_default();
    if let Some(scope) = body.scope_selectors.keys().next() {
        let rule = format!("the only key of scope_selectors is {REPOSITORY}, and not {scope:?}");
        return Err(Error::BadRequest(rule));
    }
    let tags = selectors(Of::Tags, &body.tag_selectors)?;
    let repositories = selectors(Of::Repositories, &repositories)?;
    Ok(NewImmutableRule {
        priority: body.priority,
        disabled: body.disabled,
        selection: ImmutableSelection::new(tags, repositories, body.params).deletable(body.allow_deletion),
    })
}

fn selectors(of: Of, written: &[ImmutableSelector]) -> Result<Vec<Selector>> {
    let read = |selector: &ImmutableSelector| {
        let ImmutableSelector { kind, decoration, pattern, extras } = selector;
        Selector::parse(of, kind, decoration, pattern, extras)
    };
    written.iter().map(read).collect()
}

/// A rule as the API shows it.
fn wire(rule: ImmutableRule) -> api::ImmutableRule {
    let ImmutableSelection { tags, repositories, parameters, allow_deletion, .. } = rule.selection;
    let repositories = repositories.into_iter().map(|selector| shown(Of::Repositories, selector)).collect();
    api::ImmutableRule {
        id: rule.id.get(),
        priority: rule.priority,
        disabled: rule.disabled,
        action: ACTION.to_owned(),
        template: TEMPLATE.to_owned(),
        params: parameters,
        tag_selectors: tags.into_iter().map(|selector| shown(Of::Tags, selector)).collect(),
        scope_selectors: BTreeMap::from([(REPOSITORY.to_owned(), repositories)]),
        allow_deletion,
    }
}

fn shown(of: Of, selector: Selector) -> ImmutableSelector {
    ImmutableSelector {
        kind: KIND.to_owned(),
        decoration: selector.decoration.word(of).to_owned(),
        pattern: selector.pattern.to_string(),
        extras: selector.extras,
    }
}
