#!/usr/bin/env python3
"""Finds words that the glossary of the architecture replaces by others. Usage: glossary.py FILE..."""

import pathlib
import re
import sys

# Pattern -> what to say instead. Identifiers count as words: `hash_slot` is as good as "hash slot".
RULES = [
    (r"\bhashslots?\b|\bkey[ _-]?slots?\b|\bcluster[ _-]slots?\b", "hash slot"),
    (r"\bdownstreams?\b", "client (or session)"),
    (r"\bupstream[ _-]?servers?\b", "upstream, or endpoint for one address"),
    (r"\b(blacklist|whitelist)(s|ed)?\b", "deny list, allow list"),
    (r"\bcache[ _-]?miss[ _-]?fetch(es)?\b", "fill"),
    (r"\bTODO\b(?!\(#\d+\))|\bFIXME\b|\bXXX\b", "TODO(#issue)"),
]

# Tables of names that Redis gives, and the text that quotes the rules.
EXEMPT = {"src/command/acl_categories.cpp", "src/command/table_data.cpp", "src/STYLE.md"}


def problems_of(path):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        for pattern, instead in RULES:
            match = re.search(pattern, line)
            if match:
                yield f"{path}:{number}: '{match.group(0)}': say {instead}"


def main(arguments):
    checked = [pathlib.Path(name) for name in arguments if name not in EXEMPT]
    problems = [problem for path in checked for problem in problems_of(path)]
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
