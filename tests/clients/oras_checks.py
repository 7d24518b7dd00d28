"""The checks of tests/clients/oras, one function each: oras_checks.py CHECK [SUBJECT-REPOSITORY SUBJECT-DIGEST].

The environment names the registry: HARBOR_ADDR, HARBOR_USER, HARBOR_PASSWORD.
"""
import hashlib
import os
import sys
from pathlib import Path

import oras.oci
import oras.provider

ADDRESS = os.environ["HARBOR_ADDR"]
TARGET = ADDRESS + "/library/oras-files"


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


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
