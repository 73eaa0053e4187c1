#!/usr/bin/env python3
"""Runs test programs, sums their results and closes with the line `N passed, N failed`.

  --parallel  GoogleTest programs that may run beside each other (JOBS at a time)
  --alone     GoogleTest programs that run after those, one by one, each split into E2E_SHARDS processes
  --replay    fuzz targets fed with the files of test/fuzz/corpus/<name>; each target counts as one test

A test that is skipped, a program that dies, one that ran no test and one that takes longer than TEST_TIMEOUT_S
seconds count as failed. GTEST_FILTER works as usual; then a program without a matching test is all right.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

OUTCOME = re.compile(r"\[\s+(RUN|OK|FAILED|SKIPPED)\s+\] ([^\s,]+)")
LINES_SHOWN_PER_FAILURE = 80
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=0:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=0:second_deadlock_stack=1",
}


class Result:
    def __init__(self, name):
        self.name = name
        self.passed = 0
        self.failures = {}  # test name -> what it printed
        self.seconds = 0.0

    def fail(self, test, output):
        self.failures[f"{self.name}: {test}"] = output


def run(command, log_path, environment, timeout_s):
    """Returns (what went wrong or None, output)."""
    with open(log_path, "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=SANITIZERS | os.environ | environment, start_new_session=True)
        try:
            code = process.wait(timeout_s)
            trouble = None if code == 0 else f"ended with status {code}"
            if code < 0:
                trouble = f"killed by {signal.Signals(-code).name}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            trouble = f"still running after {timeout_s} s"
    return trouble, log_path.read_text(errors="replace")


def telling_part(lines):
    """The first report of a sanitizer, or else the end."""
    for index, line in enumerate(lines):
        if "Sanitizer" in line or "runtime error:" in line:
            return lines[index:index + LINES_SHOWN_PER_FAILURE]
    return lines[-LINES_SHOWN_PER_FAILURE:]


def read_gtest_output(result, output, trouble):
    running, block = None, []
    for line in output.splitlines():
        block.append(line)
        match = OUTCOME.search(line)
        if not match:
            continue
        state, test = match.groups()
        if state == "RUN":
            if running:
                result.fail(f"{running} (its end is missing)", block)
            running, block = test, [line]
        elif test == running:
            if state == "OK":
                result.passed += 1
            else:
                result.fail(test if state == "FAILED" else f"{test} (skipped)", block)
            running, block = None, []
    if running:
        result.fail(f"{running} ({trouble or 'never ended'})", block)
    elif trouble and not result.failures:
        result.fail(trouble, output.splitlines())
    elif not result.passed and not result.failures and "GTEST_FILTER" not in os.environ:
        result.fail("ran no test", block)


def run_gtest(program, options, shard=0, shards=1):
    name = pathlib.Path(program).name + (f"#{shard + 1}" if shards > 1 else "")
    result, start = Result(name), time.monotonic()
    environment = {"GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)} if shards > 1 else {}
    command = [program, "--gtest_brief=0", "--gtest_color=no"]
    trouble, output = run(command, options.logs / f"{name}.log", environment, options.timeout_s)
    read_gtest_output(result, output, trouble)
    result.seconds = time.monotonic() - start
    return result


def run_replay(program, options):
    name = pathlib.Path(program).name
    result, start = Result(name), time.monotonic()
    corpus = pathlib.Path("test/fuzz/corpus") / name.removeprefix("replay_")
    files = sorted(str(path) for path in corpus.glob("*") if path.is_file())
    if not files:
        result.fail(f"no files in {corpus}", [])
        return result
    trouble, output = run([program, *files], options.logs / f"{name}.log", {}, options.timeout_s)
    if trouble:
        result.fail(f"corpus ({trouble})", output.splitlines())
    else:
        result.passed = 1
    result.seconds = time.monotonic() - start
    return result


def report(result):
    state = "FAIL" if result.failures else "ok"
    print(f"  {state:<4}  {result.name:<32} {result.passed:>5} passed {len(result.failures):>3} failed "
          f"{result.seconds:7.1f} s", flush=True)
    for test, output in result.failures.items():
        print(f"--- {test}")
        for line in telling_part(output):
            print(f"    {line}")
    return result


def run_everything(options):
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        pending = [pool.submit(run_gtest, program, options) for program in options.parallel]
        pending += [pool.submit(run_replay, program, options) for program in options.replay]
        results += [report(future.result()) for future in concurrent.futures.as_completed(pending)]
        for program in options.alone:
            shards = [pool.submit(run_gtest, program, options, index, options.shards)
                      for index in range(options.shards)]
            results += [report(future.result()) for future in concurrent.futures.as_completed(shards)]
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for kind in ("parallel", "alone", "replay"):
        parser.add_argument(f"--{kind}", nargs="*", default=[], metavar="PROGRAM")
    parser.add_argument("--logs", type=pathlib.Path, required=True, help="folder for what each program prints")
    options = parser.parse_args()
    options.jobs = max(1, int(os.environ.get("JOBS", os.cpu_count())))
    options.shards = max(1, min(options.jobs, int(os.environ.get("E2E_SHARDS", "2"))))
    options.timeout_s = int(os.environ.get("TEST_TIMEOUT_S", "1200"))
    options.logs.mkdir(parents=True, exist_ok=True)

    results = run_everything(options)
    passed = sum(result.passed for result in results)
    failures = [test for result in results for test in result.failures]
    if failures:
        print("Failed:")
        for test in failures:
            print(f"  {test}")
    if not results:
        failures.append("nothing to run")
    print(f"{passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
