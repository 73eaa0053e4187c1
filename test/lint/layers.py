#!/usr/bin/env python3
"""Checks who includes whom below src/: the layers of ARCHITECTURE.md, third-party headers, and header hygiene."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The edges as drawn; what an allowed module may use is allowed too. `base` is allowed everywhere.
EDGES = {
    "base": [],
    "resp": ["base"],
    "metrics": ["base"],
    "config": ["base"],
    "command": ["resp"],
    "access": ["command", "resp"],
    "cache": ["metrics"],
    "net": ["metrics"],
    "quic": ["net"],
    "route": ["resp", "command"],
    "upstream": ["resp", "command", "quic", "net", "metrics"],
    "backend": ["net", "metrics"],
    "proxy": ["access", "cache", "command", "resp", "route", "upstream", "backend", "net", "metrics"],
    "admin": ["metrics", "config", "net"],
    "gateway": ["quic", "net"],
    "client": ["upstream", "quic", "net"],
    "server": ["access", "proxy", "admin"],
    "main": ["server", "admin", "gateway", "client", "config", "proxy", "access"],
}

# Include prefix of a library -> modules that may use it.
THIRD_PARTY = {
    "event2/": {"net", "admin", "backend"},
    "event.h": set(),
    "hiredis/": {"backend"},
    "ngtcp2/": {"quic"},
    "gnutls/": {"access", "quic", "net"},
    "nlohmann/": {"config", "admin"},
    "spdlog/": {"base"},
    "fmt/": {"base"},
    "tsl/": set(EDGES),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')
USING_NAMESPACE = re.compile(r"^\s*using\s+namespace\b")


def closure(module, seen=None):
    seen = seen if seen is not None else set()
    for lower in EDGES[module]:
        if lower not in seen:
            seen.add(lower)
            closure(lower, seen)
    return seen | {module, "base"}


def third_party_trouble(module, target):
    for prefix, users in THIRD_PARTY.items():
        if target.startswith(prefix):
            return None if module in users else f"{prefix} is not for module {module}"
    # A library in a folder of its own that the table does not know; the C library's folders are no libraries.
    if "/" in target and target.split("/")[0] not in {"sys", "netinet", "arpa", "net", "linux", "bits"}:
        return f"{target} is of a library that test/lint/layers.py does not place"
    return None


def include_trouble(path, module, quoted, target):
    folder = target.split("/")[0]
    if not quoted:
        return third_party_trouble(module, target)
    if folder == "anteroom":
        return None if module in {"client", "main"} else "the public client headers are for client/ and main/"
    if not (ROOT / "src" / target).is_file():
        return f'"{target}" is no file below src/ (third-party headers take <>)'
    if folder not in closure(module):
        return f"module {module} may not use {folder}"
    return None


def check_file(path):
    module = path.relative_to(ROOT / "src").parts[0]
    if module not in EDGES:
        yield f"{path.relative_to(ROOT)}: module {module} has no place in the layers"
        return
    is_header, has_pragma = path.suffix == ".hpp", False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.relative_to(ROOT)}:{number}"
        has_pragma |= line == "#pragma once"
        if is_header and USING_NAMESPACE.match(line):
            yield f"{where}: `using namespace` in a header"
        match = INCLUDE.match(line)
        trouble = match and include_trouble(path, module, match.group(1) == '"', match.group(2))
        if trouble:
            yield f"{where}: {trouble}"
    if is_header and not has_pragma:
        yield f"{path.relative_to(ROOT)}: no #pragma once"


def main():
    for module in EDGES:
        assert module not in {user for lower in EDGES[module] for user in closure(lower)}, f"{module}: cycle in EDGES"
    files = sorted(path for path in (ROOT / "src").rglob("*") if path.suffix in {".hpp", ".cpp"})
    problems = [problem for path in files for problem in check_file(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
