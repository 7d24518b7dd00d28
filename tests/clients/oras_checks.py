"""The checks of tests/clients/oras, one function each: oras_checks.py CHECK [SUBJECT-REPOSITORY SUBJECT-DIGEST].

The environment names the registry: HARBOR_ADDR, HARBOR_USER, HARBOR_PASSWORD; `login_` checks log in as LOGIN_USER with
LOGIN_PASSWORD.
"""
import hashlib
import os
import sys
from pathlib import Path

import docker
import oras.oci
import oras.provider
import oras.utils

ADDRESS = os.environ["HARBOR_ADDR"]
TARGET = ADDRESS + "/library/oras-files"
PRIVATE = ADDRESS + "/oras-private/stored"


def client(anonymous=False):
    registry = oras.provider.Registry(hostname=ADDRESS, insecure=True, auth_backend="token")
    if not anonymous:
        registry.auth.set_basic_auth(os.environ["HARBOR_USER"], os.environ["HARBOR_PASSWORD"])
    return registry


def make(name, size):
    Path(name).write_bytes(os.urandom(size))
    return name


def pulled_is_same(registry, target, names):
    outdir = Path("pulled")
    registry.pull(target=target, outdir=str(outdir))
    for name in names:
        assert (outdir / name).read_bytes() == Path(name).read_bytes(), name


def files(*_):
    """Several files of one artifact, pulled back, and its tag listed."""
    names = [make("small.bin", 10), make("large.bin", 3_000_000)]
    registry = client()
    registry.push(target=TARGET + ":1", files=names, manifest_annotations={"made": "here"})
    pulled_is_same(registry, TARGET + ":1", names)
    assert registry.get_manifest(TARGET + ":1")["annotations"] == {"made": "here"}
    assert "1" in registry.get_tags(TARGET)


def chunks(*_):
    """An upload in pieces, each with its Content-Range."""
    name = make("chunked.bin", 5_000_000)
    registry = client()
    registry.push(target=TARGET + ":chunked", files=[name], do_chunked=True, chunk_size=1_000_000)
    pulled_is_same(registry, TARGET + ":chunked", [name])


def referrers(registry, repository, digest):
    url = "http://%s/v2/%s/referrers/%s" % (ADDRESS, repository, digest)
    answer = registry.do_request(url, "GET")
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return answer.json()["manifests"]


def attach(repository, digest):
    """An artifact with a subject; where the registry lists referrers, it is among them."""
    registry = client()
    target = "%s/%s" % (ADDRESS, repository)
    raw = registry.do_request("http://%s/v2/%s/manifests/%s" % (ADDRESS, repository, digest), "GET",
                              headers={"Accept": "application/vnd.oci.image.index.v1+json"})
    assert "sha256:" + hashlib.sha256(raw.content).hexdigest() == digest
    subject = oras.oci.Subject(mediaType="application/vnd.oci.image.index.v1+json", digest=digest,
                               size=len(raw.content))
    answer = registry.push(target=target + ":attached", files=[make("sbom.json", 2000)], subject=subject)
    pushed = answer.headers["Docker-Content-Digest"]
    assert registry.get_manifest(target + ":attached")["subject"]["digest"] == digest
    if not os.environ.get("HARBOR_PEER"):
        assert answer.headers["OCI-Subject"] == digest
        assert pushed in [row["digest"] for row in referrers(registry, repository, digest)]


def delete(*_):
    """A tag's manifest is deleted, and then the tag is not listed."""
    registry = client()
    registry.push(target=TARGET + ":doomed", files=[make("doomed.bin", 100)])
    assert registry.delete_tags(TARGET, ["doomed"]) == ["doomed"]
    assert "doomed" not in registry.get_tags(TARGET)


def anonymous_pull(*_):
    name = make("public.bin", 1000)
    client().push(target=TARGET + ":public", files=[name])
    pulled_is_same(client(anonymous=True), TARGET + ":public", [name])


def anonymous_push(*_):
    client(anonymous=True).push(target=ADDRESS + "/library/oras-refused:1", files=[make("refused.bin", 10)])


def log_in():
    """As the library does it: by the daemon it finds; where there is none it asks nobody, and stores what it was given.

    It looks for the daemon at a socket of its own choice, which is not there, and takes a refusal for a daemon that is
    missing: `login_daemon` sees to both.
    """
    registry = oras.provider.Registry(hostname=ADDRESS, insecure=True, auth_backend="token")
    return registry.login(username=os.environ["LOGIN_USER"], password=os.environ["LOGIN_PASSWORD"], hostname=ADDRESS)


def no_daemon(**_):
    raise docker.errors.DockerException("no daemon")


def login_store(*_):
    """Without a daemon: the credentials are stored, right or wrong."""
    oras.utils.get_docker_client = no_daemon
    assert log_in() == {"Status": "Login Succeeded"}
    assert list(oras.utils.read_json(oras.utils.find_docker_config())["auths"]) == [ADDRESS]


def refusal(*_, **__):
    """Instead of what the library does when the daemon refuses: the daemon's own words."""
    raise


def login_daemon(*_):
    """By the daemon at DOCKER_HOST, which asks the registry."""
    oras.utils.get_docker_client = lambda **_: docker.from_env()
    oras.provider.login.DockerClient.login = refusal
    assert log_in()["Status"] == "Login Succeeded"


def from_store():
    """Shows nothing but what a login stored. The library tries a wrong password for minutes; here it does not sleep in between."""
    oras.decorator.time.sleep = lambda _: None
    return client(anonymous=True)


def login_push(*_):
    name = make("stored.bin", 1000)
    from_store().push(target=PRIVATE + ":1", files=[name])
    pulled_is_same(from_store(), PRIVATE + ":1", [name])


def login_pull(*_):
    assert from_store().pull(target=PRIVATE + ":1", outdir="again")


def login_end(*_):
    """The library's own logout leaves it in the file."""
    os.remove(oras.utils.find_docker_config())


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
