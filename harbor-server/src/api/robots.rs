//! Robots.

use std::time::Duration;

use axum::body::Body;
use harbor_auth::{
    CreateRobots, DeleteRobots, Given, GivenOn, Grants, ListRobots, NewRobot, ReadRobots, RobotChange,
    RobotProof, UpdateRobots,
};
use harbor_core::access::permission::ProjectRead;
use harbor_core::access::{Action, InProject, InSystem, Secret};
use harbor_core::api::{self, Access, RobotCreate, RobotCreated, RobotPermission, RobotSec};
use harbor_core::meta::{Project, ProjectId, Robot, RobotId, RobotKey};
use harbor_core::pattern::Pattern;
use harbor_core::query::{Query, RawTest, Test, Value, parse_raw};
use harbor_core::{Error, Result, Timestamp};
use http::{Response, StatusCode};

use super::answer::{Answered, done, located, ok, page, with};
use super::call::Call;
use super::members::patterns;

/// A namespace: the whole registry.
const SYSTEM: &str = "/";

/// A namespace: every project.
const EVERY: &str = "*";

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "ListRobot" => list(call).await?,
        "CreateRobot" => create(call).await?,
        "GetRobotByID" => get(&named(call).await?, call).await?,
        "UpdateRobot" => update(named(call).await?, call).await?,
        "RefreshSec" => renew(named(call).await?, call).await?,
        "DeleteRobot" => delete(named(call).await?, call).await?,
        _ => return Ok(None),
    }))
}

pub(super) fn robot_id(call: &Call<'_>) -> Result<RobotId> {
    call.id("robot_id", "robot").map(RobotId::new)
}

/// The proof for the robot that the path names.
async fn named<S, P>(call: &Call<'_>) -> Result<RobotProof<S, P>>
where
    S: Action<Scope = InSystem>,
    P: Action<Scope = InProject>,
{
    let robots = call.accounts()?.robots(call.harbor());
    let proof = robots.authorize(&call.actor, robot_id(call)?).await;
    call.seen(proof)
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let query: Query<RobotKey> = call.list()?;
    let proof: ListRobots = match level(call)? {
        None => RobotProof::System(call.system().await?),
        Some(project) => RobotProof::Project(call.project_of(project).await?),
    };
    let query = by_full_names(query, &proof);
    let listed = call.accounts()?.robots(call.harbor()).list(&proof, &query).await?;
    let mut wires = wires(call, &listed.entries).await?.into_iter();
    page(call, &query, listed, |_| wires.next())
}

/// The same query, in which a project's robots may be named as they log in.
pub(super) fn by_full_names(query: Query<RobotKey>, proof: &ListRobots) -> Query<RobotKey> {
    match proof.of_project() {
        Some(project) => query.change(RobotKey::Name, |test| own_names(test, project)),
        None => query,
    }
}

/// What must hold of the names of a project's robots: to Harbor's clients they begin with the project's, as `team+ci`. A `+` of
/// `q`, which is decoded as a form's value once more, is a blank by now; no name has one.
fn own_names(test: &Test, project: &Project) -> Test {
    let own = |value: &Value| {
        let Value::Text(text) = value else { return value.clone() };
        let rest = text.strip_prefix(project.name.as_str()).and_then(|rest| rest.strip_prefix(['+', ' ']));
        rest.map_or_else(|| value.clone(), |name| Value::Text(name.to_owned()))
    };
    match test {
        Test::Is(value) => Test::Is(own(value)),
        Test::AnyOf(values) => Test::AnyOf(values.iter().map(own).collect()),
        test => test.clone(),
    }
}

/// Robots as the API shows them.
pub(super) async fn wires(call: &Call<'_>, robots: &[Robot]) -> Result<Vec<api::Robot>> {
    let mut wires = Vec::with_capacity(robots.len());
    for robot in robots {
        wires.push(wire(call, robot).await?);
    }
    Ok(wires)
}

/// Whose robots a list is of: `q=Level=project,ProjectID=7`, or the whole registry's.
fn level(call: &Call<'_>) -> Result<Option<ProjectId>> {
    let filters = parse_raw(call.parameter("q").as_deref())?;
    let value = |name: &str| {
        filters.iter().find_map(|filter| match &filter.test {
            RawTest::Is(value) if filter.name.eq_ignore_ascii_case(name) => Some(value.as_str()),
            _ => None,
        })
    };
    match value("Level") {
        Some("project") => {
            let id = value("ProjectID").or_else(|| value("project_id")).and_then(|id| id.parse().ok());
            let id = id.ok_or_else(|| {
                Error::BadRequest("q=Level=project needs a ProjectID=<number> beside it".to_owned())
            });
            id.map(|id| Some(ProjectId::new(id)))
        }
        None | Some("system") => Ok(None),
        Some(_) => Err(Error::BadRequest("Level is system or project".to_owned())),
    }
}

async fn create(call: &mut Call<'_>) -> Result<Response<Body>> {
    call.login()?;
    let body: RobotCreate = call.json().await?;
    let proof: CreateRobots = match body.level.as_str() {
        "system" => RobotProof::System(call.system().await?),
        "project" => match &body.permissions[..] {
            [only] if only.kind == "project" => {
                RobotProof::Project(call.project_named(&only.namespace, false).await?)
            }
            _ => {
                let rule = "a robot of a project has exactly one entry in permissions, of kind project";
                return Err(Error::BadRequest(rule.to_owned()));
            }
        },
        _ => return Err(Error::BadRequest("level is system or project".to_owned())),
    };
    let grants = given(call, &body.permissions, proof.of_project()).await?;
    let new = NewRobot {
        name: body.name,
        description: body.description,
        secret: body.secret.filter(|secret| !secret.is_empty()).map(Secret::new),
        duration: body.duration,
        disabled: body.disable,
        grants,
    };
    made(call, proof, new).await
}

/// Makes a robot, and answers with its secret.
pub(super) async fn made(call: &Call<'_>, proof: CreateRobots, new: NewRobot) -> Result<Response<Body>> {
    let accounts = call.accounts()?;
    let (robot, secret) = accounts.robots(call.harbor()).create(proof, new).await?;
    let created = RobotCreated {
        id: robot.id.get(),
        name: accounts.robot_name(&robot).await?,
        secret: secret.expose().to_owned(),
        creation_time: robot.created_at,
        expires_at: seconds(robot.expires_at),
    };
    let mut response = with(StatusCode::CREATED, &created)?;
    located(&mut response, call, &created.id.to_string());
    Ok(response)
}

async fn get(proof: &ReadRobots, call: &Call<'_>) -> Result<Response<Body>> {
    let robot = call.accounts()?.robots(call.harbor()).get(proof, robot_id(call)?).await?;
    ok(&wire(call, &robot).await?)
}

async fn update(proof: UpdateRobots, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: api::Robot = call.json().await?;
    let robots = call.accounts()?.robots(call.harbor());
    let id = robot_id(call)?;
    let now = robots.current(&proof, id).await?;
    let name = call.accounts()?.robot_name(&now).await?;
    if !body.name.is_empty() && body.name != name && body.name != now.name {
        return Err(Error::BadRequest("the name of a robot cannot be changed".to_owned()));
    }
    let level = if now.project.is_some() { "project" } else { "system" };
    if !body.level.is_empty() && body.level != level {
        return Err(Error::BadRequest("the level of a robot cannot be changed".to_owned()));
    }
    let change = RobotChange {
        duration: body.duration.unwrap_or(now.duration),
        disabled: body.disable,
        grants: given(call, &body.permissions, proof.of_project()).await?,
        description: body.description,
    };
    call.accounts()?.robots(call.harbor()).update(proof, id, change).await?;
    Ok(done())
}

async fn renew(proof: UpdateRobots, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: RobotSec = call.json().await?;
    let id = robot_id(call)?;
    let secret = Some(body.secret).filter(|secret| !secret.is_empty()).map(Secret::new);
    let overlap = body.overlap.map(Duration::from_secs);
    let secret = call.accounts()?.robots(call.harbor()).renew(proof, id, secret, overlap).await?;
    ok(&RobotSec { secret: secret.expose().to_owned(), overlap: None })
}

async fn delete(proof: DeleteRobots, call: &Call<'_>) -> Result<Response<Body>> {
    call.accounts()?.robots(call.harbor()).delete(proof, robot_id(call)?).await?;
    Ok(done())
}

/// What a body gives, with projects by their keys. Whoever has a proof for a project, which is then its `own`, need not be able
/// to read it.
pub(super) async fn given(
    call: &Call<'_>,
    permissions: &[RobotPermission],
    own: Option<&Project>,
) -> Result<Grants> {
    let mut given = Vec::with_capacity(permissions.len());
    for permission in permissions {
        given.push(Given {
            on: place(call, permission, own).await?,
            access: permission.access.iter().map(text).collect::<Result<_>>()?,
            repositories: patterns(&permission.repositories)?,
        });
    }
    Ok(Grants::new(given))
}

async fn place(call: &Call<'_>, permission: &RobotPermission, own: Option<&Project>) -> Result<GivenOn> {
    match (permission.kind.as_str(), permission.namespace.as_str()) {
        ("system", SYSTEM) => Ok(GivenOn::System),
        ("project", EVERY) => Ok(GivenOn::EveryProject),
        ("project", name) if own.is_some_and(|own| own.name.as_str() == name) => {
            Ok(GivenOn::Project(own.map_or(0, |own| own.id.get())))
        }
        ("project", name) => {
            let proof = call.project_named::<ProjectRead>(name, false).await?;
            Ok(GivenOn::Project(proof.target().id.get()))
        }
        _ => Err(Error::BadRequest(
            "a permission is of kind system with the namespace /, or of kind project with a project's name or *"
                .to_owned(),
        )),
    }
}

fn text(access: &Access) -> Result<String> {
    match access.effect.as_str() {
        "" | "allow" => Ok(format!("{}:{}", access.resource, access.action)),
        _ => Err(Error::BadRequest("the only effect is allow".to_owned())),
    }
}

/// What was given, as the API shows it. What was given in a project that is gone is not shown.
pub(super) async fn shown(call: &Call<'_>, grants: &Grants) -> Result<Vec<RobotPermission>> {
    let mut shown = Vec::with_capacity(grants.grants.len());
    for given in &grants.grants {
        let (kind, namespace) = match given.on {
            GivenOn::System => ("system", SYSTEM.to_owned()),
            GivenOn::EveryProject => ("project", EVERY.to_owned()),
            GivenOn::Project(id) => match call.harbor().project_name(ProjectId::new(id)).await? {
                Some(name) => ("project", name.to_string()),
                None => continue,
            },
        };
        let access = |text: &String| {
            let (resource, action) = text.split_once(':').unwrap_or((text, ""));
            Access { resource: resource.to_owned(), action: action.to_owned(), effect: "allow".to_owned() }
        };
        shown.push(RobotPermission {
            kind: kind.to_owned(),
            namespace,
            access: given.access.iter().map(access).collect(),
            repositories: given.repositories.iter().map(Pattern::to_string).collect(),
        });
    }
    Ok(shown)
}

/// A time as the API has it: seconds since the epoch, -1 for never.
pub(super) fn seconds(at: Option<Timestamp>) -> i64 {
    at.map_or(-1, |at| at.micros() / 1_000_000)
}

pub(super) async fn wire(call: &Call<'_>, robot: &Robot) -> Result<api::Robot> {
    let grants = call.accounts()?.grants_of(robot)?;
    let made_by_robot = robot.creator.starts_with("robot:");
    Ok(api::Robot {
        id: robot.id.get(),
        name: call.accounts()?.robot_name(robot).await?,
        description: robot.description.clone(),
        level: if robot.project.is_some() { "project" } else { "system" }.to_owned(),
        duration: Some(robot.duration),
        editable: true,
        disable: robot.disabled,
        expires_at: seconds(robot.expires_at),
        permissions: shown(call, &grants).await?,
        creator_type: if made_by_robot { "robot" } else { "local" }.to_owned(),
        creator_ref: call.accounts()?.robots(call.harbor()).creator(robot).await?.unwrap_or_default(),
        creation_time: Some(robot.created_at),
        update_time: Some(robot.updated_at),
    })
}
