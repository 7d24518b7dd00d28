"""Harbor's API by the library harborapi, which reads every answer into the models of Harbor's own document.

Each part is a process of its own; the last one, `complete`, finds that every method of the library was called by one of them, or is
of an operation that is not served yet.
"""

import asyncio
import inspect
import os
import pathlib
import sys

from harborapi import HarborAsyncClient
from harborapi.exceptions import Conflict, Forbidden, NotFound, StatusError, Unauthorized
from harborapi.models import (
    Access,
    Configurations,
    ImmutableRule,
    ImmutableSelector,
    Label,
    ProjectMember,
    ProjectMetadata,
    ProjectReq,
    QuotaUpdateReq,
    Repository,
    ResourceList,
    RetentionPolicy,
    RetentionPolicyScope,
    RetentionRule,
    RetentionRuleTrigger,
    RetentionSelector,
    RobotCreate,
    RobotCreateV1,
    RobotPermission,
    Schedule,
    ScheduleObj,
    Tag,
    UserCreationReq,
    UserEntity,
    UserGroup,
    UserProfile,
    WebhookPolicy,
    WebhookTargetObject,
)

ADDRESS = os.environ["HARBOR_ADDR"]
PASSWORD = "Correct horse 1"


# What the library can ask for, and a file of the script's own folder with what was asked for.
METHODS = {
    name for name, _ in inspect.getmembers(HarborAsyncClient, inspect.iscoroutinefunction) if not name.startswith("_")
}
CALLED = pathlib.Path("called")

# What is not called, with the operation that it is for: each must be one that is not served yet.
NOT_YET = {
    "check_registry_status": "pingRegistry",
    "create_registry": "createRegistry",
    "create_replication_policy": "createReplicationPolicy",
    "create_scan_all_schedule": "createScanAllSchedule",
    "create_scanner": "createScanner",
    "delete_registry": "deleteRegistry",
    "delete_replication_policy": "deleteReplicationPolicy",
    "delete_scanner": "deleteScanner",
    "download_scan_export": "downloadScanData",
    "export_scan_data": "exportScanData",
    "get_artifact_scan_report_log": "getReportLog",
    "get_artifact_vulnerability_reports": "getVulnerabilitiesAddition",
    "get_cve_allowlist": "getSystemCVEAllowlist",
    "get_icon": "getIcon",
    "get_project_scanner": "getScannerOfProject",
    "get_project_scanner_candidates": "listScannerCandidatesOfProject",
    "get_registries": "listRegistries",
    "get_registry": "getRegistry",
    "get_registry_adapters": "listRegistryProviderTypes",
    "get_registry_info": "getRegistryInfo",
    "get_registry_providers": "listRegistryProviderInfos",
    "get_replication": "getReplicationExecution",
    "get_replication_policies": "listReplicationPolicies",
    "get_replication_policy": "getReplicationPolicy",
    "get_replication_task_log": "getReplicationLog",
    "get_replication_tasks": "listReplicationTasks",
    "get_replications": "listReplicationExecutions",
    "get_scan_all_metrics": "getLatestScanAllMetrics",
    "get_scan_all_schedule": "getScanAllSchedule",
    "get_scan_export": "getScanDataExportExecution",
    "get_scan_exports": "getScanDataExportExecutionList",
    "get_scanner": "getScanner",
    "get_scanner_metadata": "getScannerMetadata",
    "get_scanners": "listScanners",
    "import_ldap_users": "importLdapUser",
    "ping_ldap": "pingLdap",
    "ping_scanner_adapter": "pingScanner",
    "scan_artifact": "scanArtifact",
    "search_ldap_groups": "searchLdapGroup",
    "search_ldap_users": "searchLdapUser",
    "set_default_scanner": "setScannerAsDefault",
    "set_project_scanner": "setScannerOfProject",
    "start_replication": "startReplication",
    "stop_artifact_scan": "stopScanArtifact",
    "stop_replication": "stopReplication",
    "stop_scan_all_job": "stopScanAll",
    "test_oidc": "pingOIDC",
    "update_cve_allowlist": "putSystemCVEAllowlist",
    "update_registry": "updateRegistry",
    "update_replication_policy": "updateReplicationPolicy",
    "update_scan_all_schedule": "updateScanAllSchedule",
    "update_scanner": "updateScanner",
}


class Recording(HarborAsyncClient):
    """Notes which methods were called, also by other methods of the library: those ask for the same."""

    def __getattribute__(self, name):
        if name in METHODS:
            with CALLED.open("a") as called:
                called.write(name + "\n")
        return super().__getattribute__(name)


def client(user=None, password=None):
    return Recording(
        url=f"http://{ADDRESS}/api/v2.0", username=user, secret=password
    )


def admin():
    return client(os.environ["HARBOR_USER"], os.environ["HARBOR_PASSWORD"])


async def refused(kind, call):
    try:
        await call
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}")


async def refused_with(status, call):
    try:
        await call
    except StatusError as error:
        assert error.status_code == status, error
        return
    raise AssertionError(f"expected {status}")


async def system():
    assert (await admin().ping()) == "Pong"
    health = await admin().health_check()
    assert health.status == "healthy", health
    info = await admin().get_system_info()
    assert info.auth_mode == "db_auth" and info.harbor_version.startswith("v2."), info
    permissions = await admin().get_permissions()
    assert any(p.resource == "repository" and p.action == "pull" for p in permissions.project)
    # As Harbor without a certificate of its own. The library raises nothing for files.
    certificate = await admin().get_system_certificate()
    assert certificate.response.status_code == 404, certificate.content


async def projects():
    location = await admin().create_project(
        ProjectReq(project_name="api-project", metadata=ProjectMetadata(public="false"))
    )
    project = await admin().get_project("api-project")
    assert location.endswith("/api-project"), location
    assert project.name == "api-project" and project.metadata.public == "false"
    assert await admin().project_exists("api-project")
    assert not await admin().project_exists("api-absent")
    await refused(Conflict, admin().create_project(ProjectReq(project_name="api-project")))
    await admin().update_project(
        "api-project", ProjectReq(metadata=ProjectMetadata(auto_scan="true"))
    )
    await admin().set_project_metadata("api-project", ProjectMetadata(severity="high"))
    await admin().update_project_metadata_entry("api-project", "severity", {"severity": "low"})
    metadata = await admin().get_project_metadata("api-project")
    assert metadata.severity == "low" and metadata.auto_scan == "true", metadata
    assert await admin().get_project_metadata_entry("api-project", "severity") == {"severity": "low"}
    await admin().delete_project_metadata_entry("api-project", "severity")
    await refused(NotFound, admin().get_project_metadata_entry("api-project", "severity"))
    found = await admin().get_projects(query="name=~api-", sort="-name", limit=5)
    assert [p.name for p in found] == ["api-project"], found
    summary = await admin().get_project_summary("api-project")
    assert summary.repo_count == 0 and summary.project_admin_count == 1, summary
    assert (await admin().get_project_deletable("api-project")).deletable
    await refused(Unauthorized, client("admin", "wrong").get_project("api-project"))


async def users():
    await admin().create_user(
        UserCreationReq(username="api-user", password=PASSWORD, email="a@example.org", realname="A", comment="")
    )
    own = client("api-user", PASSWORD)
    me = await own.get_current_user()
    assert me.username == "api-user" and not me.sysadmin_flag, me
    await own.update_user(me.user_id, UserProfile(email="b@example.org", realname="B", comment="c"))
    assert (await admin().get_user(me.user_id)).realname == "B"
    assert (await admin().get_user_by_username("api-user")).user_id == me.user_id
    assert [u.username for u in await own.search_users_by_username("api-us")] == ["api-user"]
    await refused(Forbidden, own.get_users())
    await admin().set_user_admin(me.user_id, True)
    assert len(await own.get_users()) >= 2
    await admin().set_user_admin(me.user_id, False)
    await own.set_user_password(me.user_id, "Another horse 2", PASSWORD)
    await refused(Unauthorized, own.get_current_user())
    await admin().set_user_password(me.user_id, PASSWORD)
    # As with Harbor, that is for users of an identity provider.
    await refused_with(412, own.set_user_cli_secret(me.user_id, "A secret 4 the CLI"))


async def members():
    location = await admin().add_project_member_user("api-project", "api-user", 2)
    number = int(location.rsplit("/", 1)[1])
    member = await admin().get_project_member("api-project", number)
    assert member.entity_name == "api-user" and member.role_name == "developer", member
    await admin().update_project_member_role("api-project", number, 1)
    own = client("api-user", PASSWORD)
    assert (await own.get_project("api-project")).current_user_role_id == 1
    permissions = await own.get_current_user_permissions("/project/api-project", relative=True)
    assert any(p.resource == "member" and p.action == "create" for p in permissions)
    await admin().create_usergroup(UserGroup(group_name="api-group", group_type=3))
    group = (await admin().search_usergroups("api-group"))[0]
    assert "api-group" in [g.group_name for g in await admin().get_usergroups()]
    assert [g.id for g in await admin().get_usergroups(group_name="api-gr")] == [group.id]
    await admin().add_project_member_group("api-project", group.id, 3)
    assert len(await admin().get_project_members("api-project")) == 3
    assert [m.entity_name for m in await admin().get_project_members("api-project", "user")] == ["api-user"]
    await admin().remove_project_member("api-project", number)
    await refused(Forbidden, own.get_project("api-project"))
    whole = ProjectMember(role_id=5, member_user=UserEntity(username="api-user"))
    number = int((await admin().add_project_member("api-project", whole)).rsplit("/", 1)[1])
    assert (await admin().get_project_member("api-project", number)).role_id == 5
    await admin().remove_project_member("api-project", number)
    await admin().update_usergroup(group.id, UserGroup(group_name="api-renamed", group_type=3))
    assert (await admin().get_usergroup(group.id)).group_name == "api-renamed"
    await admin().delete_usergroup(group.id)


async def robots():
    permission = RobotPermission(
        kind="project",
        namespace="api-project",
        access=[Access(resource="repository", action="pull"), Access(resource="project", action="read")],
    )
    made = await admin().create_robot(
        RobotCreate(name="api-robot", level="project", duration=30, permissions=[permission])
    )
    assert made.name == "robot$api-project+api-robot" and made.secret, made
    own = client(made.name, made.secret)
    assert (await own.get_project("api-project")).name == "api-project"
    await refused(Forbidden, own.get_users())
    project = await admin().get_project("api-project")
    found = await admin().get_robots(query=f"Level=project,ProjectID={project.project_id}")
    assert [r.name for r in found] == [made.name], found
    robot = await admin().get_robot(made.id)
    robot.disable = True
    await admin().update_robot(made.id, robot)
    await refused(Unauthorized, own.get_project("api-project"))
    robot.disable = False
    await admin().update_robot(made.id, robot)
    renewed = await admin().refresh_robot_secret(made.id, "Chosen by hand 1")
    assert renewed.secret == "Chosen by hand 1"
    await refused(Unauthorized, own.get_project("api-project"))
    await client(made.name, renewed.secret).get_project("api-project")
    await admin().delete_robot(made.id)
    await refused(NotFound, admin().get_robot(made.id))


async def robots_v1():
    access = [Access(resource="repository", action="pull")]
    made = await admin().create_robot_v1("api-project", RobotCreateV1(name="older", description="d", expires_at=-1, access=access))
    assert made.name == "robot$api-project+older" and made.secret, made
    assert [r.name for r in await admin().get_robots_v1("api-project")] == [made.name]
    robot = await admin().get_robot_v1("api-project", made.id)
    assert robot.level == "project" and robot.permissions[0].access[0].resource == "repository", robot
    robot.disable = True
    await admin().update_robot_v1("api-project", made.id, robot)
    assert (await admin().get_robot_v1("api-project", made.id)).disable
    await admin().delete_robot_v1("api-project", made.id)
    await refused(NotFound, admin().get_robot_v1("api-project", made.id))


# An image was pushed as api-project/nested/app:v1.
NESTED = ("api-project", "nested/app")


async def content():
    found = await admin().get_repositories("api-project")
    assert [r.name for r in found] == ["api-project/nested/app"] and found[0].artifact_count == 1, found
    assert "api-project/nested/app" in [r.name for r in await admin().get_repositories()]
    await admin().update_repository(*NESTED, Repository(description="written"))
    assert (await admin().get_repository(*NESTED)).description == "written"
    artifact = (await admin().get_artifacts(*NESTED))[0]
    assert artifact.type == "IMAGE" and artifact.digest.startswith("sha256:") and artifact.size > 0, artifact
    assert [t.name for t in artifact.tags] == ["v1"] and artifact.extra_attrs, artifact
    by_tag = await admin().get_artifact(*NESTED, "v1", with_label=True, with_accessory=True)
    assert by_tag.digest == artifact.digest and not by_tag.labels and not by_tag.accessories, by_tag
    assert await admin().get_artifact_build_history(*NESTED, "v1")
    assert await admin().get_artifact_accessories(*NESTED, "v1") == []
    await admin().create_artifact_tag(*NESTED, "v1", Tag(name="v2"))
    await refused(Conflict, admin().create_artifact_tag(*NESTED, "v1", Tag(name="v2")))
    assert sorted(t.name for t in await admin().get_artifact_tags(*NESTED, artifact.digest)) == ["v1", "v2"]
    found = await admin().get_artifacts(*NESTED, query="tags=v2")
    assert [a.digest for a in found] == [artifact.digest], found
    await admin().delete_artifact_tag(*NESTED, "v1", "v2")
    assert [t.name for t in await admin().get_artifact_tags(*NESTED, "v1")] == ["v1"]
    await admin().copy_artifact("api-project", "copied", "api-project/nested/app:v1")
    copied = await admin().get_artifact("api-project", "copied", "v1")
    assert copied.digest == artifact.digest, copied
    assert len(await admin().get_project_artifacts("api-project")) == 2
    await admin().delete_artifact("api-project", "copied", "v1")
    await refused(NotFound, admin().get_artifact("api-project", "copied", "v1"))
    await admin().delete_repository("api-project", "copied", missing_ok=True)
    await refused(NotFound, admin().get_artifact(*NESTED, "absent"))


async def labels():
    await admin().create_label(Label(name="api-label", scope="g", color="#FF0000", description="d"))
    label = (await admin().get_labels(name="api-label", scope="g"))[0]
    assert label.color == "#FF0000", label
    await admin().add_artifact_label(*NESTED, "v1", label)
    artifact = await admin().get_artifact(*NESTED, "v1", with_label=True)
    assert [found.name for found in artifact.labels] == ["api-label"], artifact
    await admin().delete_artifact_label(*NESTED, "v1", label.id)
    await admin().update_label(label.id, Label(name="api-renamed", scope="g"))
    assert (await admin().get_label(label.id)).name == "api-renamed"
    await admin().delete_label(label.id)
    await refused(NotFound, admin().get_label(label.id))


async def immutable():
    rule = ImmutableRule(
        action="immutable",
        template="immutable_template",
        tag_selectors=[ImmutableSelector(kind="doublestar", decoration="matches", pattern="v*")],
        scope_selectors={"repository": [ImmutableSelector(kind="doublestar", decoration="repoMatches", pattern="**")]},
    )
    await admin().create_project_immutable_tag_rule("api-project", rule)
    kept = (await admin().get_project_immutable_tag_rules("api-project"))[0]
    assert kept.tag_selectors[0].pattern == "v*" and not kept.disabled, kept
    tags = await admin().get_artifact_tags(*NESTED, "v1", with_immutable_status=True)
    assert tags[0].immutable, tags
    await refused(StatusError, admin().delete_artifact(*NESTED, "v1"))
    await admin().enable_project_immutable_tagrule("api-project", kept.id, False)
    assert (await admin().get_project_immutable_tag_rules("api-project"))[0].disabled
    kept.tag_selectors[0].pattern = "release-*"
    kept.disabled = False
    await admin().update_project_immutable_tag_rule("api-project", kept.id, kept)
    changed = (await admin().get_project_immutable_tag_rules("api-project"))[0]
    assert changed.tag_selectors[0].pattern == "release-*" and changed.id == kept.id, changed
    assert not (await admin().get_artifact_tags(*NESTED, "v1", with_immutable_status=True))[0].immutable
    await admin().delete_project_immutable_tag_rule("api-project", kept.id)
    assert await admin().get_project_immutable_tag_rules("api-project") == []


async def until(read, status="Success"):
    """What `read` yields, as soon as it has that status."""
    for _ in range(100):
        found = await read()
        now = getattr(found, "job_status", None) or getattr(found, "status", None)
        if now == status:
            return found
        assert now in ("Pending", "Running"), found
        await asyncio.sleep(0.1)
    raise AssertionError(f"it did not become {status}: {found}")


async def gc():
    weekly = Schedule(schedule=ScheduleObj(type="Weekly", cron="0 0 0 * * 0"), parameters={"delete_untagged": True})
    await admin().create_gc_schedule(weekly)
    kept = await admin().get_gc_schedule()
    assert kept.schedule.cron == "0 0 0 * * 0" and kept.schedule.next_scheduled_time, kept
    await admin().update_gc_schedule(Schedule(schedule=ScheduleObj(type="None")))
    manual = Schedule(schedule=ScheduleObj(type="Manual"), parameters={"dry_run": True, "workers": 2})
    run = int((await admin().create_gc_schedule(manual)).rsplit("/", 1)[1])
    done = await until(lambda: admin().get_gc_job(run))
    assert done.job_name == "GARBAGE_COLLECTION" and "freed_space" in done.job_parameters, done
    assert (await admin().get_gc_jobs())[0].id == run
    log = await admin().get_gc_log(run)
    assert any("would be freed" in line for line in log), log
    await refused(NotFound, admin().get_gc_job(run + 1000))
    # The library has no method for this one; what is over is not stopped.
    await admin().put(f"/system/gc/{run}")
    assert (await admin().get_gc_job(run)).job_status == "Success"


async def jobs():
    # What the library has no methods for, it still asks for and reads.
    pools = (await admin().get("/jobservice/pools"))
    assert pools[0]["concurrency"] > 0, pools
    assert isinstance(await admin().get(f"/jobservice/pools/{pools[0]['worker_pool_id']}/workers"), list)
    queues = {queue["job_type"]: queue for queue in await admin().get("/jobservice/queues")}
    assert not queues["GARBAGE_COLLECTION"]["paused"], queues
    await admin().put("/jobservice/queues/GARBAGE_COLLECTION", json={"action": "pause"})
    manual = Schedule(schedule=ScheduleObj(type="Manual"), parameters={"dry_run": True})
    run = int((await admin().create_gc_schedule(manual)).rsplit("/", 1)[1])
    queues = {queue["job_type"]: queue for queue in await admin().get("/jobservice/queues")}
    assert queues["GARBAGE_COLLECTION"]["paused"] and queues["GARBAGE_COLLECTION"]["count"] == 1, queues
    await admin().put("/jobservice/queues/GARBAGE_COLLECTION", json={"action": "resume"})
    await until(lambda: admin().get_gc_job(run))
    daily = Schedule(schedule=ScheduleObj(type="Daily", cron="0 0 0 * * *"))
    await admin().create_gc_schedule(daily)
    schedules = await admin().get("/schedules")
    assert any(s["vendor_type"] == "GARBAGE_COLLECTION" and s["cron"] == "0 0 0 * * *" for s in schedules), schedules
    assert await admin().get("/schedules/all/paused") == {"paused": False}
    await admin().update_gc_schedule(Schedule(schedule=ScheduleObj(type="None")))


async def retention():
    project = await admin().get_project("api-project")
    catalogue = await admin().get_retention_metadata()
    assert {"latestPushedK", "nDaysSinceLastPull"} <= {t.rule_template for t in catalogue.templates}, catalogue
    rule = RetentionRule(
        action="retain",
        template="latestPushedK",
        params={"latestPushedK": 1},
        tag_selectors=[RetentionSelector(kind="doublestar", decoration="matches", pattern="**")],
        scope_selectors={"repository": [RetentionSelector(kind="doublestar", decoration="repoMatches", pattern="**")]},
    )
    policy = RetentionPolicy(
        algorithm="or",
        rules=[rule],
        trigger=RetentionRuleTrigger(kind="Schedule", settings={"cron": ""}),
        scope=RetentionPolicyScope(level="project", ref=project.project_id),
    )
    await admin().create_retention_policy(policy)
    number = await admin().get_project_retention_id("api-project")
    kept = await admin().get_retention_policy(number)
    assert kept.rules[0].template == "latestPushedK" and kept.scope.ref == project.project_id, kept
    kept.rules[0].params = {"latestPushedK": 5}
    await admin().update_retention_policy(number, kept)
    await admin().start_retention_execution(number, dry_run=True)
    run = (await admin().get_retention_executions(number))[0]
    assert run.dry_run and run.trigger == "MANUAL", run

    async def latest():
        return (await admin().get_retention_executions(number))[0]

    await until(latest)
    task = (await admin().get_retention_tasks(number, run.id))[0]
    assert (task.repository, task.total, task.retained) == ("nested/app", 1, 1), task
    log = await admin().get_retention_execution_task_log(number, run.id, task.id)
    assert "RETAIN" in log, log
    # What is over is not stopped.
    await admin().stop_retention_execution(number, run.id)
    assert (await latest()).status == "Success"

    # Of one repository nothing is kept, and the others are none of the rule's.
    await admin().copy_artifact("api-project", "swept", "api-project/nested/app:v1")
    kept.rules[0].tag_selectors[0].pattern = "kept*"
    kept.rules[0].scope_selectors["repository"][0].pattern = "swept"
    await admin().update_retention_policy(number, kept)
    await admin().put("/jobservice/queues/RETENTION", json={"action": "pause"})
    await admin().start_retention_execution(number, dry_run=False)
    waiting = await latest()
    assert waiting.id != run.id and not waiting.dry_run, waiting
    await admin().stop_retention_execution(number, waiting.id)
    await until(latest, "Stopped")
    await admin().put("/jobservice/queues/RETENTION", json={"action": "resume"})
    assert (await admin().get_artifact("api-project", "swept", "v1")).digest
    await admin().start_retention_execution(number, dry_run=False)
    await until(latest)
    task = (await admin().get_retention_tasks(number, (await latest()).id))[0]
    assert (task.repository, task.total, task.retained) == ("swept", 1, 0), task
    await refused(NotFound, admin().get_artifact("api-project", "swept", "v1"))
    assert (await admin().get_artifact(*NESTED, "v1")).digest
    await admin().delete_repository("api-project", "swept", missing_ok=True)
    await admin().delete_retention_policy(number)
    await refused(NotFound, admin().get_project_retention_id("api-project"))


async def webhooks():
    offered = await admin().get_webhook_supported_events("api-project")
    assert "PUSH_ARTIFACT" in [e.root for e in offered.event_type], offered
    assert {"http", "slack"} == {t.root for t in offered.notify_type}, offered
    target = WebhookTargetObject(
        type="http", address="https://hooks.example.org/harbor", auth_header="Bearer hidden", payload_format="CloudEvents"
    )
    policy = WebhookPolicy(name="hook", targets=[target], event_types=["DELETE_ARTIFACT"], enabled=True)
    await admin().create_webhook_policy("api-project", policy)
    await refused(Conflict, admin().create_webhook_policy("api-project", policy))
    kept = (await admin().get_webhook_policies("api-project"))[0]
    assert (kept.name, kept.enabled, kept.targets[0].address) == ("hook", True, target.address), kept
    assert "hidden" not in str(kept), kept
    kept.event_types = ["DELETE_ARTIFACT", "TAG_RETENTION"]
    await admin().update_webhook_policy("api-project", kept.id, kept)
    kept = await admin().get_webhook_policy("api-project", kept.id)
    assert sorted(kept.event_types) == ["DELETE_ARTIFACT", "TAG_RETENTION"], kept
    assert await admin().get_webhook_jobs("api-project", kept.id) == []
    await deliveries(kept)
    triggers = await admin().get_webhook_policy_last_trigger("api-project")
    assert {t.policy_name for t in triggers} == {"hook"}, triggers
    await admin().delete_webhook_policy("api-project", kept.id)
    await refused(NotFound, admin().get_webhook_policy("api-project", kept.id))


async def deliveries(policy):
    """What the library has no methods for: a delivery, from an event to the log of its task."""
    received = []

    async def receive(reader, writer):
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    # An address that the server of these tests may send to.
    async with await asyncio.start_server(receive, "127.0.0.1") as receiver:
        port = receiver.sockets[0].getsockname()[1]
        policy.targets[0].address = f"http://127.0.0.1:{port}/harbor"
        policy.targets[0].auth_header = "Bearer hidden"
        await admin().update_webhook_policy("api-project", policy.id, policy)
        await admin().copy_artifact("api-project", "told", "api-project/nested/app:v1")
        await admin().delete_artifact("api-project", "told", "v1")
        path = f"/projects/api-project/webhook/policies/{policy.id}/executions"
        execution = (await eventually(lambda: admin().get(path)))[0]["id"]
        path = f"{path}/{execution}/tasks"
        await eventually(lambda: succeeded(path))
    assert b"authorization: bearer hidden" in received[0].lower(), received
    task = (await admin().get(path))[0]
    log = await admin().get_text(f"{path}/{task['id']}/log")
    assert str(port) in log and "hidden" not in log, log
    job = (await admin().get_webhook_jobs("api-project", policy.id))[0]
    assert (job.event_type, job.status) == ("DELETE_ARTIFACT", "Success"), job
    await admin().delete_repository("api-project", "told", missing_ok=True)


async def succeeded(path):
    return [task for task in await admin().get(path) if task["status"] == "Success"]


async def eventually(read):
    """What `read` yields, as soon as it yields something."""
    for _ in range(100):
        if something := await read():
            return something
        await asyncio.sleep(0.1)
    raise AssertionError("nothing was found")


async def purge():
    yearly = Schedule(
        schedule=ScheduleObj(type="Custom", cron="0 0 0 1 1 *"),
        parameters={"audit_retention_hour": 8760, "include_event_types": "create_artifact,delete_artifact", "dry_run": False},
    )
    await admin().create_purge_job_schedule(yearly)
    kept = await admin().get_purge_job_schedule()
    assert kept.schedule.cron == "0 0 0 1 1 *" and "8760" in kept.job_parameters, kept
    await admin().update_purge_job_schedule(Schedule(schedule=ScheduleObj(type="None")))
    manual = Schedule(schedule=ScheduleObj(type="Manual"), parameters={**yearly.parameters, "dry_run": True})
    run = int((await admin().create_purge_job_schedule(manual)).rsplit("/", 1)[1])
    done = await until(lambda: admin().get_purge_job(run))
    assert done.job_name == "PURGE_AUDIT_LOG", done
    assert (await admin().get_purge_job_history())[0].id == run
    assert await admin().get_purge_job_log(run)
    await admin().stop_purge_job(run)
    assert (await admin().get_purge_job(run)).job_status == "Success"
    await refused(NotFound, admin().stop_purge_job(run + 1000))


async def overview():
    found = await admin().search("api-pro")
    assert [p.name for p in found.project] == ["api-project"], found
    assert [r.repository_name for r in found.repository] == ["api-project/nested/app"], found
    figures = await admin().get_statistics()
    assert figures.total_repo_count >= 1 and figures.total_storage_consumption > 0, figures
    volumes = await admin().get_system_volume_info()
    assert volumes.storage[0].total > volumes.storage[0].free > 0, volumes
    logs = await admin().get_audit_logs(query="resource=~api-project", limit=100)
    assert any(l.operation == "create" and l.resource_type == "artifact" for l in logs), logs
    logs = await admin().get_project_logs("api-project", sort="op_time", limit=100)
    assert logs[0].operation == "create" and logs[0].resource_type == "project", logs[0]
    # The extended form, for which the library has no methods.
    await eventually(lambda: admin().get("/auditlog-exts", params={"q": "operation=create,resource_type=project"}))
    logs = await admin().get("/projects/api-project/auditlog-exts", params={"sort": "op_time", "page_size": 100})
    assert logs[0]["operation"] == "create" and logs[0]["operation_result"], logs[0]
    kinds = [kind["event_type"] for kind in await admin().get("/auditlog-exts/events")]
    assert "create_project" in kinds, kinds
    await admin().delete_repository(*NESTED)
    await refused(NotFound, admin().get_repository(*NESTED))


async def quotas():
    project = await admin().get_project("api-project")
    quota = (await admin().get_quotas(reference="project", reference_id=str(project.project_id)))[0]
    assert quota.hard.root["storage"] == -1 and quota.used.root["storage"] == 0, quota
    await admin().update_quota(quota.id, QuotaUpdateReq(hard=ResourceList(root={"storage": 1000000000})))
    assert (await admin().get_quota(quota.id)).hard.root["storage"] == 1000000000


async def configuration():
    before = await admin().get_config()
    assert before.token_expiration.value == 30 and before.token_expiration.editable, before
    await admin().update_config(Configurations(banner_message="hello"))
    assert (await admin().get_config()).banner_message.value == "hello"
    assert (await admin().get_system_info()).banner_message == "hello"
    await admin().update_config(Configurations(banner_message=""))


async def farewell():
    await admin().delete_project("api-project")
    await refused(NotFound, admin().get_project("api-project"))
    user = await admin().get_user_by_username("api-user")
    await admin().delete_user(user.user_id)
    await refused(NotFound, admin().get_user(user.user_id))


async def complete():
    called = set(CALLED.read_text().split())
    missing = METHODS - called - NOT_YET.keys()
    assert not missing, f"never called: {sorted(missing)}"
    unknown = NOT_YET.keys() - METHODS
    assert not unknown, f"the library has no such methods: {sorted(unknown)}"
    listed = pathlib.Path(__file__).parents[1] / "tests/operations/not_yet_served.txt"
    served = {name for name, operation in NOT_YET.items() if operation not in listed.read_text().split()}
    assert not served, f"of operations that are served, and not called: {sorted(served)}"


asyncio.run(globals()[sys.argv[1]]())
