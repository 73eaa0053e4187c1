#!/usr/bin/env python3
"""Reports files and functions that grew long or deep. A report, not a gate. Usage: sizes.py FILE...

Limits: 600 lines a file, 70 lines a function, 5 parameters, 4 levels of nesting inside a function.
"""

import json
import pathlib
import re
import subprocess
import sys

FILE_LINES, FUNCTION_LINES, PARAMETERS, NESTING = 600, 70, 5, 4


def functions(files):
    command = ["ctags", "--languages=C++", "--kinds-C++=f", "--fields=+neS", "--output-format=json", "-f", "-", *files]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [tag for tag in map(json.loads, listing.splitlines()) if "end" in tag]


def without_text(source):
    """Strings, characters and comments made empty, so that braces and commas in them do not count."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', "", source, flags=re.DOTALL)


def parameter_count(signature):
    inner = signature[signature.find("(") + 1:signature.rfind(")")].strip()
    if not inner or inner == "void":
        return 0
    depth, count = 0, 1
    for character in inner:
        depth += character in "(<{["
        depth -= character in ")>}]"
        count += character == "," and depth == 0
    return count


def nesting(body):
    depth = deepest = 0
    for character in without_text(body):
        depth += character == "{"
        depth -= character == "}"
        deepest = max(deepest, depth)
    return deepest - 1


def report_function(tag, lines):
    length = tag["end"] - tag["line"] + 1
    found = []
    if length > FUNCTION_LINES:
        found.append(f"{length} lines")
    if (parameters := parameter_count(tag.get("signature", "()"))) > PARAMETERS:
        found.append(f"{parameters} parameters")
    if (depth := nesting("\n".join(lines[tag["line"] - 1:tag["end"]]))) > NESTING:
        found.append(f"{depth} levels")
    if found:
        print(f"  long: {tag['path']}:{tag['line']}: {tag['name']}: {', '.join(found)}")
    return bool(found)


def main(files):
    text = {name: pathlib.Path(name).read_text().splitlines() for name in files}
    long_files = [name for name in files if len(text[name]) > FILE_LINES]
    for name in long_files:
        print(f"  long: {name}: {len(text[name])} lines")
    tags = functions(files) if files else []
    long_functions = sum(report_function(tag, text[tag["path"]]) for tag in tags if tag["name"] != "TEST")
    print(f"sizes: {len(files)} files, {len(tags)} functions; for another look: "
          f"{len(long_files)} files, {long_functions} functions")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
