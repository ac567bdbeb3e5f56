#!/usr/bin/env python3
"""data/fetch, with mirrors of this machine and small files in place of MNIST's."""

import gzip
import hashlib
import http.server
import os
import shutil
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

FILES = {f"{part}-{kind}-ubyte": f"{part} {kind}".encode() * 100
         for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")}
NAMES = sorted(FILES)
TOOLS = "sh dirname mkdir sed tr tail grep cut sha256sum gzip rm mv timeout env wget curl".split()


class Mirror(http.server.BaseHTTPRequestHandler):
    """/good/NAME.gz is the file, /bad/NAME.gz another one, and /slow/NAME.gz never ends."""

    def do_GET(self):
        _, kind, name = self.path.split("/")
        name = name.removesuffix(".gz")
        self.send_response(200 if name in FILES else 404)
        self.end_headers()
        if kind == "good":
            self.wfile.write(gzip.compress(FILES[name]))
        elif kind == "bad":
            self.wfile.write(gzip.compress(FILES[name] + b"x"))
        while kind == "slow":
            try:
                self.wfile.write(bytes(500))
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *_):
        pass


class Test(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
        cls.server.daemon_threads = True
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.share, self.target, tools = (self.folder / name for name in ("share", "its target", "tools"))
        self.share.mkdir()
        tools.mkdir()
        shutil.copy("data/fetch", self.share)
        sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in FILES.items())
        (self.share / "SHA256SUMS").write_text(sums)
        for tool in TOOLS:
            if shutil.which(tool):
                (tools / tool).symlink_to(shutil.which(tool))
        self.tools = tools  # without npm

    def fetch(self, *arguments, mirrors=("good",), **environment):
        address = f"http://127.0.0.1:{self.server.server_port}/"
        return subprocess.run(
            [self.share / "fetch", *arguments], capture_output=True, text=True, timeout=60,
            env={"PATH": str(self.tools), "HOME": str(self.folder / "home"), "no_proxy": "127.0.0.1",
                 "MNIST_FAST_MIRRORS": " ".join(address + mirror for mirror in mirrors), **environment})

    def expect_files(self, folder):
        self.assertEqual(sorted(os.listdir(folder)), NAMES)
        for name, data in FILES.items():
            self.assertEqual((folder / name).read_bytes(), data)

    def test_folder(self):
        run = self.fetch(self.target)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.expect_files(self.target)
        times = [(self.target / name).stat().st_mtime_ns for name in NAMES]
        again = self.fetch(self.target, mirrors=())
        self.assertEqual(again.returncode, 0)
        self.assertIn("all four files are there and right", again.stderr)
        self.assertEqual(times, [(self.target / name).stat().st_mtime_ns for name in NAMES])

    def test_default_folder(self):
        self.assertEqual(self.fetch().returncode, 0)
        self.expect_files(self.folder / "home/.local/share/mnist_fast")
        self.assertEqual(self.fetch(XDG_DATA_HOME=str(self.folder / "xdg")).returncode, 0)
        self.expect_files(self.folder / "xdg/mnist_fast")

    def test_checkout(self):
        (self.folder / "Makefile").touch()
        self.assertEqual(self.fetch().returncode, 0)
        self.assertEqual(sorted(os.listdir(self.share)), sorted([*NAMES, "SHA256SUMS", "fetch"]))

    def test_usage(self):
        run = self.fetch("a", "b")
        self.assertEqual((run.returncode, run.stdout), (2, ""))
        self.assertIn("at most one folder", run.stderr)

    def test_other_content_is_refused(self):
        run = self.fetch(self.target, mirrors=("bad",))
        self.assertEqual(run.returncode, 1)
        self.assertIn("wrong SHA-256", run.stderr)
        self.assertEqual(os.listdir(self.target), [])
        self.assertEqual(self.fetch(self.target, mirrors=("bad", "none", "good")).returncode, 0)
        self.expect_files(self.target)

    def test_what_is_there_stays(self):
        self.target.mkdir()
        (self.target / NAMES[0]).write_text("another dataset")
        run = self.fetch(self.target)
        self.assertEqual(run.returncode, 0)
        self.assertIn("left as it is", run.stderr)
        self.assertEqual((self.target / NAMES[0]).read_text(), "another dataset")

    def test_dangling_links_stay(self):
        self.target.mkdir()
        links = {NAMES[0]: "nowhere/at/all", NAMES[1].replace("-idx", ".idx") + ".gz": "neither"}
        for name, goal in links.items():
            (self.target / name).symlink_to(goal)
        for _ in range(2):  # with two files missing, and with none
            run = self.fetch(self.target)
            self.assertEqual(run.returncode, 1)
            for name, goal in links.items():
                self.assertEqual(os.readlink(self.target / name), goal)
                self.assertIn(f"{name}: is a link to nothing; left as it is", run.stderr)
            self.assertEqual(len(os.listdir(self.target)), 4)

    def test_slow_mirror(self):
        for lacking in "wget", "curl":
            (self.tools / lacking).unlink(missing_ok=True)
            with self.subTest(without=lacking):
                if not shutil.which("wget" if lacking == "curl" else "curl"):
                    self.skipTest("only one of curl and wget is here")
                target, begin = self.target / lacking, time.monotonic()
                run = self.fetch(target, mirrors=("slow", "good"), MNIST_FAST_FETCH_SECONDS="2")
                self.assertLess(time.monotonic() - begin, 20)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertRegex(run.stderr, "slow: .*(timed out|not done after 2 seconds)")
                self.expect_files(target)
            (self.tools / lacking).symlink_to(shutil.which(lacking) or "/nowhere")


if __name__ == "__main__":
    unittest.main()
