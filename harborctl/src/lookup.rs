//! Keys of what is called by its name on the command line.

use harbor_replicate::client::api::{ProjectRef, Query};
use serde_json::Value;

use crate::failure::{Failure, Outcome};
use crate::session::Session;

impl Session {
    /// The first entry of a list that is called so.
    pub(crate) async fn find(
        &self,
        operation: &str,
        project: Option<&str>,
        query: &Query,
        (at, name): (&str, &str),
    ) -> Outcome<Option<Value>> {
        let mut call = self.call(operation).await?.query(query);
        if let Some(project) = project {
            call = call.at("project_name_or_id", ProjectRef::Name(project));
        }
        let mut entries = call.pages::<Value>();
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            if entry.pointer(at).and_then(Value::as_str) == Some(name) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// The key of a project.
    pub(crate) async fn project_id(&self, name: &str) -> Outcome<i64> {
        let call = self.call("getProject").await?.at("project_name_or_id", ProjectRef::Name(name));
        let project: Value = call.one().await?;
        key(&project, "/project_id", &format!("project {name}"))
    }

    /// The key of a user.
    pub(crate) async fn user_id(&self, user: &str) -> Outcome<i64> {
        if let Some(id) = given(user)? {
            return Ok(id);
        }
        let what = format!("user {user}");
        let query = Query::new().q(format!("username={user}"));
        let found = self.find("listUsers", None, &query, ("/username", user)).await?;
        known(found, user, "/user_id", &what, "harborctl user list")
    }

    /// The key of a group.
    pub(crate) async fn group_id(&self, group: &str) -> Outcome<i64> {
        if let Some(id) = given(group)? {
            return Ok(id);
        }
        let what = format!("group {group}");
        let found = self.find("listUserGroups", None, &Query::new(), ("/group_name", group)).await?;
        known(found, group, "/id", &what, "harborctl group list")
    }

    /// The key of a label, of everybody or of a project.
    pub(crate) async fn label_id(&self, label: &str, project: Option<&str>) -> Outcome<i64> {
        if let Some(id) = given(label)? {
            return Ok(id);
        }
        let what = format!("label {label}");
        let query = self.label_scope(project).await?;
        let found = self.find("ListLabels", None, &query.with("name", label), ("/name", label)).await?;
        known(found, label, "/id", &what, "harborctl label list [--project PROJECT]")
    }

    /// What names the labels of everybody, or of a project.
    pub(crate) async fn label_scope(&self, project: Option<&str>) -> Outcome<Query> {
        Ok(match project {
            None => Query::new().with("scope", "g"),
            Some(project) => {
                Query::new().with("scope", "p").with("project_id", self.project_id(project).await?)
            }
        })
    }

    /// What names the robots of the system, or of a project.
    pub(crate) async fn robot_scope(&self, project: Option<&str>) -> Outcome<Option<String>> {
        Ok(match project {
            None => None,
            Some(project) => Some(format!("Level=project,ProjectID={}", self.project_id(project).await?)),
        })
    }

    /// The key of a robot, by its full name or by the name that it was given.
    pub(crate) async fn robot_id(&self, robot: &str, project: Option<&str>) -> Outcome<i64> {
        if let Some(id) = given(robot)? {
            return Ok(id);
        }
        let what = format!("robot {robot}");
        let query = self.robot_scope(project).await?.map_or_else(Query::new, |scope| Query::new().q(scope));
        let mut robots = self.call("ListRobot").await?.query(&query).pages::<Value>();
        while let Some(found) = robots.next().await {
            let found = found?;
            let name = found.pointer("/name").and_then(Value::as_str).unwrap_or_default();
            if name == robot || name.rsplit(['$', '+']).next() == Some(robot) {
                return key(&found, "/id", &what);
            }
        }
        known(None, robot, "/id", &what, "harborctl robot list [--project PROJECT]")
    }

    /// The key of a policy of webhooks, of a project or of the registry.
    pub(crate) async fn webhook_id(&self, webhook: &str, project: Option<&str>) -> Outcome<i64> {
        if let Some(id) = given(webhook)? {
            return Ok(id);
        }
        let what = format!("webhook {webhook}");
        let operation =
            if project.is_some() { "ListWebhookPoliciesOfProject" } else { "listWebhookPolicies" };
        let found = self.find(operation, project, &Query::new(), ("/name", webhook)).await?;
        known(found, webhook, "/id", &what, "harborctl webhook list [--project PROJECT]")
    }

    /// The key of a member of a project, by the name of the user or the group.
    pub(crate) async fn member_id(&self, project: &str, member: &str) -> Outcome<i64> {
        if let Some(id) = given(member)? {
            return Ok(id);
        }
        let what = format!("member {member} of {project}");
        let query = Query::new().with("entityname", member);
        let found = self.find("listProjectMembers", Some(project), &query, ("/entity_name", member)).await?;
        known(found, member, "/id", &what, "harborctl member list PROJECT")
    }

    /// The key of a project's policy of retention.
    pub(crate) async fn retention_id(&self, project: &str) -> Outcome<Option<i64>> {
        let call = self.call("getProject").await?.at("project_name_or_id", ProjectRef::Name(project));
        let project: Value = call.one().await?;
        let id = project.pointer("/metadata/retention_id").and_then(Value::as_str);
        Ok(id.and_then(|id| id.parse().ok()))
    }

    /// The key of a project's quota.
    pub(crate) async fn quota_id(&self, project: &str) -> Outcome<i64> {
        let id = self.project_id(project).await?;
        let query = Query::new().with("reference", "project").with("reference_id", id);
        let what = format!("quota of {project}");
        let mut quotas = self.call("listQuotas").await?.query(&query).pages::<Value>();
        let quota = quotas.next().await.transpose()?;
        key(&quota.ok_or_else(|| absent(&what, "harborctl quota list"))?, "/id", &what)
    }
}

/// The key that is given as such: `id:4`.
fn given(text: &str) -> Outcome<Option<i64>> {
    let Some(id) = text.strip_prefix("id:") else { return Ok(None) };
    id.parse().map(Some).map_err(|_| Failure::usage(format!("{text} is no key")).hint("id:4"))
}

/// The key of what was found by its name. A number is a name as well, and never a key: somebody else may have that one.
fn known(found: Option<Value>, text: &str, at: &str, what: &str, hint: &str) -> Outcome<i64> {
    match found {
        Some(found) => key(&found, at, what),
        None if text.parse::<i64>().is_ok() => Err(absent(what, &format!("id:{text}, if that is its key"))),
        None => Err(absent(what, hint)),
    }
}

pub(crate) fn key(value: &Value, at: &str, what: &str) -> Outcome<i64> {
    let key = value.pointer(at).and_then(Value::as_i64);
    key.ok_or_else(|| Failure::absent(format!("the server does not tell the key of {what}")))
}

pub(crate) fn absent(what: &str, hint: &str) -> Failure {
    Failure::absent(format!("there is no {what}")).hint(hint)
}
