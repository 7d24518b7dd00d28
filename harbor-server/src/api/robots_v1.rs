//! Robots of a project in the older form of the API, which scripts and libraries still speak.

use axum::body::Body;
use harbor_auth::{CreateRobots, DeleteRobots, ListRobots, NewRobot, ReadRobots, RobotProof, UpdateRobots};
use harbor_core::api::{self, Access, RobotCreateV1, RobotPermission};
use harbor_core::query::Query;
use harbor_core::{Error, Result, Timestamp};
use http::Response;

use super::answer::{Answered, done, ok, page};
use super::call::Call;
use super::robots::{by_full_names, given, made, robot_id, wire, wires};

/// A day, in seconds.
const DAY: i64 = 24 * 60 * 60;

pub(super) async fn answer(call: &mut Call<'_>, id: &str) -> Answered {
    Ok(Some(match id {
        "ListRobotV1" => list(call).await?,
        "CreateRobotV1" => create(RobotProof::Project(call.project().await?), call).await?,
        "GetRobotByIDV1" => get(&RobotProof::Project(call.project().await?), call).await?,
        "UpdateRobotV1" => update(RobotProof::Project(call.project().await?), call).await?,
        "DeleteRobotV1" => delete(RobotProof::Project(call.project().await?), call).await?,
        _ => return Ok(None),
    }))
}

async fn list(call: &Call<'_>) -> Result<Response<Body>> {
    let proof: ListRobots = RobotProof::Project(call.project().await?);
    let query: Query<_> = by_full_names(call.list()?, &proof);
    let listed = call.accounts()?.robots(call.harbor()).list(&proof, &query).await?;
    let mut wires = wires(call, &listed.entries).await?.into_iter();
    page(call, &query, listed, |_| wires.next())
}

async fn create(proof: CreateRobots, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: RobotCreateV1 = call.json().await?;
    let project = proof.of_project().ok_or_else(|| Error::Internal("a robot of no project".to_owned()))?;
    let permission = RobotPermission {
        kind: "project".to_owned(),
        namespace: project.name.to_string(),
        access: body.access.into_iter().map(|access| within(access, project.id.get())).collect(),
        repositories: Vec::new(),
    };
    let new = NewRobot {
        name: body.name,
        description: body.description,
        secret: None,
        duration: days(body.expires_at, call.harbor().now())?,
        disabled: false,
        grants: given(call, &[permission], Some(project)).await?,
    };
    made(call, proof, new).await
}

/// The older form names a resource with its project: `/project/7/repository`.
fn within(access: Access, project: i64) -> Access {
    let resource = access.resource.strip_prefix(&format!("/project/{project}/"));
    Access { resource: resource.unwrap_or(&access.resource).to_owned(), ..access }
}

/// For how many days a robot is made that ends at a time; none where that is not said, by nothing or by 0.
fn days(end: Option<i64>, now: Timestamp) -> Result<Option<i64>> {
    let Some(end) = end.filter(|end| *end != 0) else { return Ok(None) };
    if end == -1 {
        return Ok(Some(-1));
    }
    let left = end.saturating_sub(now.micros() / 1_000_000);
    if left <= 0 {
        return Err(Error::BadRequest(
            "expires_at is a time to come, in seconds since the epoch, or -1".to_owned(),
        ));
    }
    Ok(Some(left.saturating_sub(1) / DAY + 1))
}

async fn get(proof: &ReadRobots, call: &Call<'_>) -> Result<Response<Body>> {
    let robot = call.accounts()?.robots(call.harbor()).get(proof, robot_id(call)?).await?;
    ok(&wire(call, &robot).await?)
}

/// As with Harbor, only what it is for, and whether it may log in.
async fn update(proof: UpdateRobots, call: &mut Call<'_>) -> Result<Response<Body>> {
    let body: api::Robot = call.json().await?;
    let robots = call.accounts()?.robots(call.harbor());
    robots.describe(proof, robot_id(call)?, body.description, body.disable).await?;
    Ok(done())
}

async fn delete(proof: DeleteRobots, call: &Call<'_>) -> Result<Response<Body>> {
    call.accounts()?.robots(call.harbor()).delete(proof, robot_id(call)?).await?;
    Ok(done())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_to_an_end() {
        let now = Timestamp::from_micros(1_000_000_000_000);
        for (end, days_left) in [
            (None, None),
            (Some(0), None),
            (Some(-1), Some(-1)),
            (Some(1_000_001), Some(1)),
            (Some(1_086_400), Some(1)),
            (Some(1_086_401), Some(2)),
        ] {
            assert_eq!(days(end, now).unwrap(), days_left, "{end:?}");
        }
        for past in [-2, 1_000_000, i64::MIN] {
            days(Some(past), now).unwrap_err();
        }
    }
}
