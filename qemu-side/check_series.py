#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The QEMU series, proven: see Documentation/qemu-series.rst. Prints TAP.

usage: check_series.py PART...

patches   each has a message and a sign-off, and QEMU's checkpatch has nothing to say
tests     every qtest case of the series passes with it and fails without it;
          QEMU's own tests of what the series touches pass with it
sanitize  the cases of the series with the address and undefined behaviour sanitizers
fuzz      FUZZ_SECONDS of fuzzing for each target

Runs in the build root, with what scripts/check-qemu sets: HELIX_QEMU,
HELIX_QEMU_TESTS, HELIX_QEMU_STOCK, HELIX_QEMU_SANITIZE, FUZZ_SECONDS and OUTPUT,
a folder for logs and for what crashed.
"""
import concurrent.futures
import contextlib
import fnmatch
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent

# Cases that pass on 10.0.13 as well, and why they are there. Everything else
# must fail without the series; and these must not.
HOLDS_WITHOUT = {
    "/x86_64/dbus-display-clipboard/large": "that what is limited is not what SPICE's agent sends, a message in one chunk",
    "/x86_64/dbus-display-flow/cursor": "that shape, hot-spot and position of the cursor come for the output they are of, as before",
    "/x86_64/virtio-gpu-display/change": "that one change, read in the usual order, is told as before",
    "/x86_64/virtio-gpu-display/change-before-reading": "that a guest that reads nothing is not told for ever",
    "/x86_64/virtio-gpu-display/keep-outputs": "that without reset-outputs=on a reset keeps the outputs, as before",
    "/x86_64/virtio-gpu-sched/full-ring": "that a full ring drains, with fifteen contexts that fill it; 10.0.13 does that as well",
    "/x86_64/virtio-gpu-venus/context": "that Venus works here at all, as the cases beside it assume",
}

# The cases with a CPU that runs, for which the QEMU of the sanitizers has no TCG.
RUNNING_CPU = re.compile(r"/x86_64/tcg-")

# The cases of the first patch, which the second of the two others has as well.
SOFTWARE_GPU = re.compile(r"/x86_64/egl-headless/")

# What checkpatch says and is not so: (patch, message, the line it means), with the reason.
CHECKPATCH = [
    # It asks this for every new file; MAINTAINERS has the folder, or the file's pattern, already.
    ("*", r"added, moved or deleted file\(s\), does MAINTAINERS need updating\?", r""),
]

FUZZ_TARGETS = ["virtio-gpu-fuzz", "virtio-gpu-gl-fuzz", "generic-fuzz-virtio-gpu-gl", "generic-fuzz-helix-control"]

# starts_with_prefix() of QEMU's util/cutils.c compares with what may be shorter than the prefix.
ADDRESS = "strict_memcmp=0"
LEAKS = f"suppressions={HERE}/leaks.supp:print_suppressions=0"
UNDEFINED = f"halt_on_error=1:print_stacktrace=1:suppressions={HERE}/undefined.supp"

LIMIT = 180             # seconds for one case or one of QEMU's own tests: ends a hang
LIMIT_WITHOUT = 40      # the same where it has to fail, which may well be by hanging
NO_RENDER_NODE = re.compile(r"egl: (no drm render node|render node init failed)")
NEW_INTERFACE = re.compile(r"Property '\S+' not found|'helix-control' is not a valid device model name|CommandNotFound"
                           r"|The command \S+ has not been found|No such (method|interface)|UnknownMethod")


class Tap:
    def __init__(self):
        self.points = self.failed = 0

    def point(self, good, name, why=(), skip=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}{skip and ' # SKIP ' + skip}")
        for line in () if good else why:
            print(f"# {line}")
        sys.stdout.flush()

    def end(self):
        print(f"1..{self.points}")
        return 1 if self.failed else 0


@dataclass
class Result:
    state: str      # passed, skipped, failed, hung, or not run: it never came to QEMU
    why: str
    output: str
    seconds: float

    def tail(self):
        return self.output.splitlines()[-30:]


def reason(output):
    """One line that says best why a test failed."""
    lines = [re.sub(r"\.\./source/", "", line).strip() for line in output.splitlines()]
    for pattern in (r"\S+: assertion failed.*", r"ERROR:.*", r"Property '.*|'\S+' is not a valid device.*", r"^not ok.*", r"core dumped.*|encountered exit status.*", r"^Bail out!.*"):
        for line in lines:
            found = re.search(pattern, line)
            if found and not line.startswith("# starting QEMU"):
                return found.group(0)[:200]
    lines = [line for line in lines if line and not line.startswith(("# starting", "# End", "# Start"))]
    return lines[-1][:200] if lines else "no output"


def environment(qemu, **more):
    tests = os.environ["HELIX_QEMU_TESTS"]
    return dict(os.environ, QTEST_QEMU_BINARY=qemu, QTEST_QEMU_IMG=os.environ["HELIX_QEMU"] + "/bin/qemu-img",
                G_TEST_SRCDIR=tests + "/source/tests/qtest", G_TEST_BUILDDIR=tests + "/obj/tests/qtest", **more)


def run(command, env, limit, typed="", hopeless=None):
    """The command's output and status; whatever it left running ends with it, and it with a line that `hopeless` matches."""
    begun = time.monotonic()
    hung = threading.Event()
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as process:
        def end():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

        def late():
            hung.set()
            end()

        timer = threading.Timer(limit, late)
        timer.start()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(typed)
            process.stdin.close()
        output = ""
        for line in process.stdout:
            output += line
            if hopeless and hopeless.search(line):
                end()
        timer.cancel()
    return None if hung.is_set() else process.returncode, output, time.monotonic() - begun


def program(test):
    return f"{os.environ['HELIX_QEMU_TESTS']}/obj/tests/qtest/{test}"


def listed(name):
    return pathlib.Path(program(name)).read_text(encoding="utf-8").split()


def cases(test, qemu):
    status, output, _ = run([program(test), "-l"], environment(qemu), LIMIT)
    found = re.findall(r"^(?:# )?(/\S+)$", output, re.M)
    return found if status == 0 else []


def run_case(test, path, qemu, limit, hopeless=None, **more):
    # -p takes what is below the path as well
    command = [program(test), "--tap", "-p", path, "-x", path + "/"]
    status, output, seconds = run(command, environment(qemu, **more), limit, hopeless=hopeless)
    point = re.search(rf"^(not )?ok \d+ {re.escape(path)}(\s*# *SKIP\b.*)?$", output, re.M)
    if re.search(r"^1\.\.0$", output, re.M) or "# Start of " not in output:
        return Result("not run", reason(output), output, seconds)
    if status is None:
        return Result("hung", f"no end after {limit} s", output, seconds)
    if status != 0 or not point or point.group(1):
        return Result("failed", reason(output), output, seconds)
    if point.group(2):
        return Result("skipped", point.group(2).strip(" #"), output, seconds)
    return Result("passed", "", output, seconds)


def without_series(test, path):
    """On 10.0.13; and, as that may have no OpenGL here, on 10.0.13 with the one patch that gives it some.

    Where the first has none it ends at once, and libqtest would wait 50 seconds for it to connect.
    """
    stock = os.environ["HELIX_QEMU_STOCK"]
    limit = LIMIT if path in HOLDS_WITHOUT else LIMIT_WITHOUT
    return [run_case(test, path, f"{stock}/{folder}qemu-system-x86_64", limit, hopeless)
            for folder, hopeless in (("plain/bin/", NO_RENDER_NODE), ("bin/", None))]


def series_cases(tap, qemu):
    found = []
    for test in listed("series"):
        paths = cases(test, qemu)
        if not paths:
            tap.point(False, f"{test} names its cases")
        found += [(test, path) for path in paths]
    return found


def keep(name, output):
    folder = pathlib.Path(os.environ["OUTPUT"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / (name.strip("/").replace("/", "-") + ".log")).write_text(output, encoding="utf-8")


def side_by_side(function, items, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda item: function(*item), items))


def part_patches(tap):
    names = [line for line in (HERE / "patches/series").read_text().splitlines() if line and line[0] != "#"]
    files = sorted(path.name for path in (HERE / "patches").glob("*.patch"))
    tap.point(names == files, "patches/series names every patch, in order", [f"series {names}", f"files {files}"])
    for name in names:
        path = HERE / "patches" / name
        text = path.read_text(encoding="utf-8")
        head, _, _ = text.partition("\n---\n")
        headers, _, message = head.partition("\n\n")
        body = [line for line in message.splitlines() if line and not re.match(r"[A-Z][A-Za-z-]+-by: ", line)]
        good = (re.search(r"^From: .+ <.+>$", headers, re.M) and re.search(r"^Subject: \[PATCH\] \S", headers, re.M)
                and re.search(r"^Signed-off-by: .+ <.+>$", message, re.M) and body)
        tap.point(bool(good), f"{name}: an author, a subject, a message and a sign-off")

        # What it says of one thing is a block, with the line that it means.
        _, output, _ = run(["perl", os.environ["HELIX_QEMU_TESTS"] + "/source/scripts/checkpatch.pl", "--no-tree",
                            "--no-summary", "--color=never", str(path)], os.environ, LIMIT)
        bad = []
        for block in re.split(r"\n\n+", output.strip()):
            said = re.match(r"(WARNING|ERROR): (.*)", block)
            if said and not any(fnmatch.fnmatch(name, pattern) and re.search(message, said.group(2))
                                and re.search(line, block) for pattern, message, line in CHECKPATCH):
                bad += block.splitlines()
        tap.point(not bad and "style problems" in output, f"{name}: checkpatch", bad or output.splitlines()[-5:])


def part_tests(tap):
    qemu = os.environ["HELIX_QEMU"] + "/bin/qemu-system-x86_64"
    items = series_cases(tap, qemu)
    workers = os.cpu_count() or 1
    upstream = [(test,) for test in listed("upstream") if test not in listed("series")]
    with concurrent.futures.ThreadPoolExecutor(4 * workers) as pool:
        # Those that fail mostly wait for what will not come, which costs nothing.
        waiting = [pool.submit(without_series, *item) for item in items]
        ours = side_by_side(lambda test, path: run_case(test, path, qemu, LIMIT), items, workers)
        results = side_by_side(lambda test: run([program(test), "--tap"], environment(qemu), LIMIT), upstream, workers)
        without = [future.result() for future in waiting]
    fail = hold = new = 0
    for (_, path), with_it, (plain, software) in zip(items, ours, without):
        keep(path + "-with", with_it.output)
        keep(path + "-without", plain.output + software.output)
        both = f"{plain.state} on 10.0.13, {software.state} on that with software OpenGL"
        if with_it.state == "skipped":
            tap.point(True, path, skip=with_it.why)
        elif with_it.state != "passed":
            tap.point(False, f"{path}: {with_it.state} with the series: {with_it.why}", with_it.tail())
        elif path in HOLDS_WITHOUT:
            hold += 1
            tap.point(software.state == "passed", f"{path}: passes with the series; {both}; it is there to see {HOLDS_WITHOUT[path]}",
                      software.tail())
        else:
            fails = plain.state in ("failed", "hung", "skipped") and software.state in ("failed", "hung")
            if SOFTWARE_GPU.match(path):
                fails = plain.state in ("failed", "hung") and software.state == "passed"
            fail += fails
            new += bool(fails and NEW_INTERFACE.search(software.output))
            tap.point(fails, f"{path}: passes with the series; {both}: {software.why}", software.tail())
    for path in sorted(set(HOLDS_WITHOUT) - {path for _, path in items}):
        tap.point(False, f"{path} is said to hold without the series, and is no case of it")
    print(f"# {len(items)} cases of the series: {fail} fail without it, {new} of them for want of an interface that it adds;"
          f" {hold} hold without it")

    # Nothing but the first patch.
    stock = os.environ["HELIX_QEMU_STOCK"]
    starts, said = {}, ""
    for name, path in (("series", qemu), ("plain", stock + "/plain/bin/qemu-system-x86_64"), ("software", stock + "/bin/qemu-system-x86_64")):
        status, output, _ = run([path, "-M", "none", "-nodefaults", "-display", "dbus,p2p=on,gl=on", "-monitor", "stdio"],
                                os.environ, LIMIT, "quit\n")
        starts[name] = status == 0
        said += output
    name = "OpenGL without a render node: starts with the series, not on 10.0.13"
    if starts["plain"]:
        tap.point(True, name, skip="there is a render node")
    else:
        tap.point(starts["series"] and starts["software"] and bool(NO_RENDER_NODE.search(said)), name, said.splitlines()[-30:])

    for (test,), (status, output, _) in zip(upstream, results):
        keep(test, output)
        good = status == 0 and re.search(r"^ok ", output, re.M) and not re.search(r"^not ok ", output, re.M)
        count = len(re.findall(r"^ok ", output, re.M))
        tap.point(bool(good), f"{test}, QEMU's own: {count} cases", output.splitlines()[-30:])


def part_sanitize(tap):
    qemu = os.environ["HELIX_QEMU_SANITIZE"] + "/bin/qemu-system-x86_64"
    items = []
    for item in series_cases(tap, os.environ["HELIX_QEMU"] + "/bin/qemu-system-x86_64"):
        if RUNNING_CPU.match(item[1]):
            tap.point(True, f"{item[1]}, sanitized", skip="that QEMU has no TCG")
        else:
            items.append(item)

    def sanitized(test, path):
        with tempfile.TemporaryDirectory() as folder:
            common = f"log_path={folder}/report:symbolize=1"
            # Unwound slowly, as Mesa has no frame pointers, and so far that leaks.supp finds it: with 8 frames it does not.
            result = run_case(test, path, qemu, 2 * LIMIT,
                              ASAN_OPTIONS=f"{ADDRESS}:detect_leaks=1:fast_unwind_on_malloc=0:malloc_context_size=12:{common}",
                              LSAN_OPTIONS=LEAKS,
                              # What a driver keeps to itself, on some CPUs a list of their caches, is no leak as long as it is loaded.
                              VK_LOADER_DISABLE_DYNAMIC_LIBRARY_UNLOADING="1",
                              UBSAN_OPTIONS=f"{UNDEFINED}:{common}")
            reports = [report.read_text(errors="replace") for report in sorted(pathlib.Path(folder).iterdir())]
        # It warns of coroutines at every start.
        reports = [text for text in reports if re.search(r"ERROR: |runtime error", text)]
        return result, reports

    for (_, path), (result, reports) in zip(items, side_by_side(sanitized, items, os.cpu_count() or 1)):
        keep(path + "-sanitize", result.output + "".join(reports))
        if result.state == "skipped" and not reports:
            tap.point(True, f"{path}, sanitized", skip=result.why)
            continue
        good = result.state == "passed" and not reports
        why = "".join(reports).splitlines()[:60] or result.tail()
        tap.point(good, f"{path}, sanitized" + ("" if good else f": {result.state}, {result.why}"), why)


def part_fuzz(tap):
    seconds = int(os.environ["FUZZ_SECONDS"])
    folder = pathlib.Path(os.environ["OUTPUT"])
    folder.mkdir(parents=True, exist_ok=True)
    fuzzer = os.environ["HELIX_QEMU_SANITIZE"] + "/bin/qemu-fuzz-x86_64"

    def fuzz(target):
        corpus = tempfile.mkdtemp()
        status, output, _ = run([fuzzer, f"--fuzz-target={target}", f"-max_total_time={seconds}", "-timeout=30",
                                 "-rss_limit_mb=4096", "-detect_leaks=0", "-print_final_stats=1", "-len_control=0",
                                 "-max_len=1024",
                                 f"-artifact_prefix={folder}/{target}-", corpus],
                                dict(os.environ, ASAN_OPTIONS=ADDRESS, UBSAN_OPTIONS=UNDEFINED, LSAN_OPTIONS=LEAKS), seconds + LIMIT)
        shutil.rmtree(corpus)
        return status, output

    for target, (status, output) in zip(FUZZ_TARGETS, side_by_side(fuzz, [(t,) for t in FUZZ_TARGETS], os.cpu_count() or 1)):
        keep(target, output)
        runs = re.search(r"^stat::number_of_executed_units: (\d+)", output, re.M)
        runs = int(runs.group(1)) if runs else 0
        covered = (re.findall(r" cov: (\d+)", output) or ["0"])[-1]
        good = status == 0 and runs > 1
        tap.point(good, f"fuzz {target}: {runs} inputs in {seconds} s, {covered} places covered",
                  [f"what it ended with is in {folder}"] + output.splitlines()[-60:])


def main():
    parts = {name[5:]: function for name, function in globals().items() if name.startswith("part_")}
    if len(sys.argv) < 2 or not set(sys.argv[1:]) <= set(parts):
        sys.exit(__doc__)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tap = Tap()
    for name in sys.argv[1:]:
        parts[name](tap)
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
