"""Make the libraries of the report from what `npm ci` has put beside this file: `make vendor`.

Files, licences and `vendor.toml`, which says what each file is, go to the folder that is given; the same lock
makes the same bytes.
"""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
#: Where the package has them.
PLACE = HERE.parent.parent / "etl" / "reports" / "page" / "vendor"
#: A browser's tools would ask for the file that it names.
_MAP = re.compile(r"^(/[/*]# sourceMappingURL=.*|/\*! For license information .*)\n?", re.MULTILINE)
_LEGAL = re.compile(r"/\*! For license information please see [^*]*\*/\s*")


@dataclass(frozen=True)
class Taken:
    """A file of a package; `minify` says that it is made small here, since the package has no small one."""

    file: str
    package: str
    path: str
    licence: str
    minify: bool = False


FILES = (
    Taken("uplot.min.js", "uplot", "dist/uPlot.iife.min.js", "LICENSE"),
    Taken("uplot.min.css", "uplot", "dist/uPlot.min.css", "LICENSE"),
    Taken("dagre.min.js", "@dagrejs/dagre", "dist/dagre.min.js", "dist/dagre.min.js.LEGAL.txt"),
    Taken("minisearch.min.js", "minisearch", "dist/umd/index.js", "LICENSE.txt", minify=True),
)


def main(place: Path = PLACE) -> None:
    """Write all files into a folder."""
    lock = json.loads((HERE / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    esbuild = f"esbuild {lock['node_modules/esbuild']['version']}"
    place.mkdir(parents=True, exist_ok=True)
    parts = ["# Written by `make vendor` from tools/vendor/package-lock.json."]
    for taken in FILES:
        text = content(taken)
        licence = f"LICENSE.{taken.file.split('.')[0]}"
        (place / taken.file).write_bytes(text)
        (place / licence).write_bytes((MODULES / taken.package / taken.licence).read_bytes())
        known = lock[f"node_modules/{taken.package}"]
        facts = {
            "package": taken.package,
            "version": known["version"],
            "integrity": known["integrity"],
            "path": taken.path,
            "minifier": esbuild if taken.minify else "",
            "sha256": hashlib.sha256(text).hexdigest(),
            "licence": f"{known['license']}, see {licence}",
        }
        parts.append("\n".join([f'["{taken.file}"]', *(f"{key} = {json.dumps(v)}" for key, v in facts.items())]))
    (place / "vendor.toml").write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def content(taken: Taken) -> bytes:
    """Return what a file is to hold: without the name of a map, and of a script nothing that ends its element."""
    source = MODULES / taken.package / taken.path
    if taken.minify:
        command = [MODULES / ".bin" / "esbuild", source, "--minify", "--target=es2020", "--legal-comments=none"]
        text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    else:
        text = source.read_text(encoding="utf-8")
    text = _LEGAL.sub("", _MAP.sub("", text)).strip() + "\n"
    if "</script" in text.lower() or "</style" in text.lower():
        raise SystemExit(f"{taken.file} holds the end of an element, and cannot stand in a page as it is.")
    return text.encode()


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
