#!/usr/bin/env python3
"""A double of Google Cloud Storage's XML API, in memory: what the blob driver uses and nothing else.

Usage: gcs.py PORT. The emulators at hand speak only the JSON API. Any bucket exists; credentials are not looked at.
"""

import hashlib
import itertools
import re
import sys
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from urllib.parse import parse_qs, unquote, urlsplit

OBJECTS, UPLOADS, LOCK, NUMBERS = {}, {}, Lock(), itertools.count(1)


def tag(content):
    return '"%s"' % hashlib.md5(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", len(body))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with LOCK:
            getattr(self, "on_" + self.command.lower())(unquote(url.path), query, content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def missing(self, code):
        self.answer(404, b"<Error><Code>%s</Code></Error>" % code)

    def on_put(self, key, query, content):
        if "uploadId" in query:
            parts = UPLOADS.get((key, query["uploadId"]))
            if parts is None:
                return self.missing(b"NoSuchUpload")
            parts[int(query["partNumber"])] = content
        else:
            OBJECTS[key] = content
        self.answer(200, ETag=tag(content), x_goog_generation=next(NUMBERS))

    def on_post(self, key, query, content):
        if "uploads" in query:
            upload = "upload-%d" % next(NUMBERS)
            UPLOADS[(key, upload)] = {}
            body = "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>" % upload
            return self.answer(200, body.encode())
        parts = UPLOADS.get((key, query["uploadId"]))
        if parts is None:
            return self.missing(b"NoSuchUpload")
        listed = re.findall(rb"<Part>(.*?)</Part>", content, re.DOTALL)
        number = [int(re.search(rb"<PartNumber>(\d+)<", part)[1]) for part in listed]
        etag = [re.search(rb"<ETag>(.*?)<", part)[1].decode().replace("&quot;", '"') for part in listed]
        stated = dict(zip(number, etag))
        wrong = [number for number, etag in stated.items() if number not in parts or tag(parts[number]) != etag]
        small = [number for number in sorted(stated)[:-1] if len(parts.get(number, b"")) < 5 << 20]
        if not stated or wrong or small:
            return self.answer(400, b"<Error><Code>InvalidPart</Code></Error>")
        OBJECTS[key] = b"".join(parts[number] for number in sorted(stated))
        del UPLOADS[(key, query["uploadId"])]
        body = "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>" % tag(OBJECTS[key])
        self.answer(200, body.encode(), x_goog_generation=next(NUMBERS))

    def on_delete(self, key, query, _content):
        if "uploadId" in query:
            found, code = UPLOADS.pop((key, query["uploadId"]), None), b"NoSuchUpload"
        else:
            found, code = OBJECTS.pop(key, None), b"NoSuchKey"
        return self.missing(code) if found is None else self.answer(204)

    def on_get(self, key, _query, _content):
        content = OBJECTS.get(key)
        if content is None:
            return self.missing(b"NoSuchKey")
        headers = {"ETag": tag(content), "Last_Modified": formatdate(usegmt=True), "x_goog_generation": 1}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if not wanted:
            return self.answer(200, content, **headers)
        first, last = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
        if first >= len(content):
            return self.answer(416)
        headers["Content_Range"] = "bytes %d-%d/%d" % (first, last, len(content))
        self.answer(206, content[first : last + 1], **headers)

    on_head = on_get


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients may leave early; that is part of the test."""


if __name__ == "__main__":
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
