"""What runs when Python is given a pack of benchmarks.gpu: unpacks beside it, then measures. Its words are benchmarks.gpu's."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

pack = Path(sys.argv[0]).resolve()
folder = pack.with_suffix("")
stamp, digest = folder / "UNPACKED", hashlib.sha256(pack.read_bytes()).hexdigest()
if not stamp.exists() or stamp.read_text() != digest:  # a second call goes on where the first one was; another pack does not
    with zipfile.ZipFile(pack) as file:
        file.extractall(folder)
    for wheel in (folder / "wheels").glob("*.whl"):
        with zipfile.ZipFile(wheel) as file:
            file.extractall(folder / "site")
    stamp.write_text(digest)
# what the machine has itself goes before the wheels
words = [sys.executable, "-c", "import sys; sys.path.append(sys.argv.pop(1)); from benchmarks.gpu import main; main()"]
reference = ["--reference", str(folder / "reference")] if (folder / "reference").exists() else []
environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(folder / "site")])}
sys.exit(subprocess.run([*words, str(folder / "site"), *reference, *sys.argv[1:]], env=environment).returncode)
