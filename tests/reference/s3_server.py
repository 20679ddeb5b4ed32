"""An S3 server on a free port of 127.0.0.1: moto's, behind a door that checks what servers check. Signatures are computed anew by
botocore from the request as it came over the wire; the SHA-256 that was signed and checksums are those of the body that came.

s3_server.py BUCKET [without-sums]
Without sums it is one that knows MD5 only, as ETag. Prints one line of JSON: port, access_key, secret_key. Ends with its standard input.
"""
import base64
import datetime
import hashlib
import json
import logging
import os
import sys
import tempfile
import threading

# Parts of any length, so that tests can be short.
os.environ.setdefault("S3_UPLOAD_PART_MIN_SIZE", "1")

import boto3  # noqa: E402
from botocore.auth import S3SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from moto.server import DomainDispatcherApplication, create_backend_app  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

ACCESS, SECRET, REGION = "AKIDRECORDER", "a/secret+of=40", "eu-central-1"
PIECE = 1 << 16
PLAIN = sys.argv[2:] == ["without-sums"]


def signature(environ, signed, date, region):
    names = {name: environ.get("HTTP_" + name.upper().replace("-", "_"), "") for name in signed}
    names["host"] = environ["HTTP_HOST"]
    if "content-type" in signed:
        names["content-type"] = environ.get("CONTENT_TYPE", "")
    if "content-length" in signed:
        names["content-length"] = environ.get("CONTENT_LENGTH", "")
    request = AWSRequest(method=environ["REQUEST_METHOD"], url=f"http://{names['host']}{environ['RAW_URI']}", headers=names)
    request.context["timestamp"] = date
    auth = S3SigV4Auth(Credentials(ACCESS, SECRET), "s3", region)
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)


def problem(environ):
    header = environ.get("HTTP_AUTHORIZATION", "")
    if not header.startswith("AWS4-HMAC-SHA256 "):
        return "403 Forbidden", "AccessDenied"
    parts = dict(part.strip().split("=", 1) for part in header.split(" ", 1)[1].split(","))
    key, _, region, *_ = parts["Credential"].split("/")
    date = environ.get("HTTP_X_AMZ_DATE", "")
    if key != ACCESS:
        return "403 Forbidden", "InvalidAccessKeyId"
    told = datetime.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    if abs((told - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) > 900:
        return "403 Forbidden", "RequestTimeTooSkewed"
    if signature(environ, parts["SignedHeaders"].split(";"), date, region) != parts["Signature"]:
        return "403 Forbidden", "SignatureDoesNotMatch"
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return None
    body, sha, md5, left = tempfile.SpooledTemporaryFile(4 << 20), hashlib.sha256(), hashlib.md5(), length
    while left:
        piece = environ["wsgi.input"].read(min(left, PIECE))
        if not piece:
            return "400 Bad Request", "IncompleteBody"
        sha.update(piece), md5.update(piece), body.write(piece)
        left -= len(piece)
    body.seek(0)
    environ["wsgi.input"] = body
    told = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
    if len(told) == 64 and told != sha.hexdigest():
        return "400 Bad Request", "XAmzContentSHA256Mismatch"
    sums = [("HTTP_X_AMZ_CHECKSUM_SHA256", sha), ("HTTP_CONTENT_MD5", md5)]
    for name, made in sums:
        if name in environ and environ[name] != base64.b64encode(made.digest()).decode():
            return "400 Bad Request", "BadDigest"
    return None


def door(app):
    def inside(environ, start):
        wrong = problem(environ)
        if wrong is None:
            if not PLAIN:
                return app(environ, start)
            for name in [name for name in environ if name.startswith(("HTTP_X_AMZ_CHECKSUM", "HTTP_X_AMZ_SDK"))]:
                del environ[name]

            def begin(status, headers, *more):
                return start(status, [pair for pair in headers if not pair[0].lower().startswith("x-amz-checksum")], *more)

            return app(environ, begin)
        status, code = wrong
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(text))), ("Connection", "close")])
        return [text]

    return inside


logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = make_server("127.0.0.1", 0, door(DomainDispatcherApplication(create_backend_app)), threaded=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
keys = {"aws_access_key_id": ACCESS, "aws_secret_access_key": SECRET, "region_name": REGION}
client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server.port}", **keys)
client.create_bucket(Bucket=sys.argv[1], CreateBucketConfiguration={"LocationConstraint": REGION})
print(json.dumps({"port": server.port, "access_key": ACCESS, "secret_key": SECRET, "region": REGION}), flush=True)
sys.stdin.read()
