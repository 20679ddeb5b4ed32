"""WebDAV with Nextcloud's chunked upload, as its developer manual describes version 2, on a free port of 127.0.0.1.

cloud.py FOLDER
Files of user ann are below FOLDER/files/ann, chunks below FOLDER/uploads/ann. Prints its port; ends with its standard input.
A chunk without its Destination, a name that is no number from 1 to 10000, and a sum that is not OC-Total-Length are refused.
"""
import base64
import os
import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

ROOT, PREFIX = sys.argv[1], "/remote.php/dav/"


class Cloud(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", media="text/plain", length=None):
        self.send_response(status)
        self.send_header("Content-Type", media)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def place(self, url=None):
        path = unquote(urlsplit(url or self.path).path)
        assert path.startswith(PREFIX) and ".." not in path
        return os.path.join(ROOT, path[len(PREFIX):].strip("/"))

    def is_chunk(self):
        return self.path.startswith(PREFIX + "uploads/")

    def handle_one(self):
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"ann:pw").decode():
            return self.answer(401)
        getattr(self, "on_" + self.command.lower())(self.place())

    do_GET = do_HEAD = do_PUT = do_MKCOL = do_MOVE = do_DELETE = do_PROPFIND = handle_one

    def on_get(self, place):
        if not os.path.isfile(place):
            return self.answer(404)
        with open(place, "rb") as file:
            self.answer(200, file.read())

    def on_mkcol(self, place):
        if os.path.exists(place):
            return self.answer(405)
        if not os.path.isdir(os.path.dirname(place)):
            return self.answer(409)
        if self.is_chunk() and "Destination" not in self.headers:
            return self.answer(400)
        os.mkdir(place)
        self.answer(201)

    def on_put(self, place):
        name, left = os.path.basename(place), int(self.headers["Content-Length"])
        if self.is_chunk() and not ("Destination" in self.headers and name.isdigit() and 1 <= int(name) <= 10000):
            return self.answer(400)
        # What is cut off is not kept.
        with open(place + "~", "wb") as file:
            while left:
                piece = self.rfile.read(min(left, 1 << 16))
                if not piece:
                    os.unlink(place + "~")
                    self.close_connection = True
                    return
                file.write(piece)
                left -= len(piece)
        os.replace(place + "~", place)
        self.answer(201)

    def on_move(self, place):
        there = self.place(self.headers["Destination"])
        if self.headers.get("Overwrite") == "F" and os.path.exists(there):
            return self.answer(412)
        if not (self.is_chunk() and os.path.basename(place) == ".file"):
            os.replace(place, there)
            return self.answer(201)
        folder = os.path.dirname(place)
        names = sorted(os.listdir(folder), key=int)
        if sum(os.path.getsize(os.path.join(folder, name)) for name in names) != int(self.headers["OC-Total-Length"]):
            return self.answer(400)
        with open(there, "wb") as whole:
            for name in names:
                with open(os.path.join(folder, name), "rb") as part:
                    shutil.copyfileobj(part, whole)
        shutil.rmtree(folder)
        self.answer(201)

    def on_delete(self, place):
        if os.path.isdir(place):
            shutil.rmtree(place)
        elif os.path.exists(place):
            os.unlink(place)
        self.answer(204)

    def on_propfind(self, place):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not os.path.exists(place):
            return self.answer(404)
        names = [place]
        if self.headers.get("Depth") == "1" and os.path.isdir(place):
            names += [os.path.join(place, name) for name in sorted(os.listdir(place))]

        def one(name):
            length = f"<d:getcontentlength>{os.path.getsize(name)}</d:getcontentlength>" if os.path.isfile(name) else ""
            return f"<d:response><d:href>{PREFIX}{os.path.relpath(name, ROOT)}</d:href><d:propstat><d:prop>{length}</d:prop></d:propstat></d:response>"

        body = f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{"".join(map(one, names))}</d:multistatus>'
        self.answer(207, body.encode(), "application/xml")


for folder in ("files/ann", "uploads/ann"):
    os.makedirs(os.path.join(ROOT, folder), exist_ok=True)
server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
