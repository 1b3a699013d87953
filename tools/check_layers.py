#!/usr/bin/env python3
"""Fails when an #include, or a DEPENDS of src/CMakeLists.txt, is not allowed by docs/layers.txt.

usage: check_layers.py ROOT
"""
import re
import sys
from pathlib import Path

root = Path(sys.argv[1])
problems = []

allowed = {}
for line in (root / "docs/layers.txt").read_text().splitlines():
    if line and not line.startswith("#"):
        folder, _, rest = line.partition(":")
        allowed[folder.strip()] = rest.split()

for source in sorted((root / "src").rglob("*.[ch]*")):
    folder = source.relative_to(root / "src").parts[0]
    if folder not in allowed:
        problems.append(f"{source}: folder {folder} is not in docs/layers.txt")
        continue
    for number, text in enumerate(source.read_text().splitlines(), 1):
        match = re.match(r'\s*#\s*include\s+"([^"/]+)/', text)
        if match and match[1] in allowed and match[1] != folder and allowed[folder] != ["*"] and match[1] not in allowed[folder]:
            problems.append(f"{source}:{number}: {folder} may not include {match[1]}")

for name, depends in re.findall(r"^sori_library\((\w+)([^)]*)\)", (root / "src/CMakeLists.txt").read_text(), re.M):
    words = depends.split("LIBS")[0].split()[1:]
    if sorted(words) != sorted(allowed.get(name, [])):
        problems.append(f"src/CMakeLists.txt: {name} DEPENDS {words}, docs/layers.txt says {allowed.get(name)}")

print("\n".join(problems) or f"{len(allowed)} folders, every include allowed")
sys.exit(1 if problems else 0)
