# SPDX-License-Identifier: MIT
"""What `make install` puts somewhere works there, and `make uninstall` takes all of it away."""
from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import termios
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from server import PROGRAMS, REPOSITORY, environment

# What scripts/claude-proxy takes by the beginning of its name.
PATTERNS = {"CLAUDE_*", "ANTHROPIC_*"}


def make(target: str, root: Path, prefix: str) -> None:
    """One target on the programs that are there."""
    subprocess.run(["make", "-o", "all", target, f"PREFIX={prefix}", f"DESTDIR={root}"], cwd=REPOSITORY, check=True,
                   capture_output=True, timeout=120)


def names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("installed")
    make("install", root, "/usr")
    return root


def test_it_runs_from_there(installed: Path, tmp_path: Path) -> None:
    """The programs are found beside the script, by a link to it too, and nothing of the build folder is used."""
    (link := tmp_path / "serve").symlink_to(installed / "usr/bin/claude-proxy")
    for script in (installed / "usr/bin/claude-proxy", link):
        said = subprocess.run([script, "--check"], env=environment(tmp_path, PORT="0", BACKEND="claude-echo"), capture_output=True,
                              text=True, timeout=60)
        assert said.returncode == 0 and "health healthy\n" in said.stdout, said
        assert f"pipeline {installed}/usr/bin/rate-limit" in said.stdout and str(REPOSITORY) not in said.stdout


def test_pages_and_completions(installed: Path) -> None:
    """Each program has both, and bash takes its own."""
    share = installed / "usr/share"
    for program in (installed / "usr/bin").iterdir():
        assert (share / "man/man1" / f"{program.name}.1").exists() or program.name.startswith("claude-proxy-"), program.name
        if not program.read_bytes().startswith(b"\x7fELF"):
            continue
        for place in ("bash-completion/completions/{}", "zsh/site-functions/_{}", "fish/vendor_completions.d/{}.fish"):
            completion = (share / place.format(program.name)).read_text()
            assert program.name in completion and "version" in completion and not completion.startswith("#!")
        offered = subprocess.run(["bash", "-c", 'source "$1" && complete -p "$2"', "bash",
                                  share / "bash-completion/completions" / program.name, program.name],
                                 check=True, capture_output=True, text=True).stdout
        assert offered.startswith("complete") and offered.endswith(f" {program.name}\n"), offered


class Terminal:
    """A shell that has loaded what is installed for claude-proxy, at a terminal."""

    def __init__(self, shell: str, share: Path, home: Path) -> None:
        # What was completed is shown by a function in the program's place, on a line of its own.
        begin = {"bash": f"source {share}/bash-completion/completions/claude-proxy; bind 'set bell-style none'; shopt -s checkwinsize",
                 "zsh": f"fpath=({share}/zsh/site-functions $fpath); autoload -Uz compinit; compinit -u -D; unsetopt beep zle_bracketed_paste"}
        master, slave = pty.openpty()
        # Wide enough for any line.
        termios.tcsetwinsize(slave, (50, 500))
        self.terminal = master
        self.shell = subprocess.Popen({"bash": ["bash", "--norc", "-i"], "zsh": ["zsh", "-f", "-i"]}[shell], stdin=slave, stdout=slave,
                                      stderr=slave, start_new_session=True, cwd=home,
                                      env=environment(home, TERM="dumb", PATH=f"{share.parent}/bin:{os.environ['PATH']}"))
        os.close(slave)
        self.type(begin[shell] + "; claude-proxy() { echo \"<$*>\"; }; PS1=; echo rea''dy\n", "ready\r\n")

    def type(self, keys: str, until: str) -> str:
        os.write(self.terminal, keys.encode())
        said = b""
        while not re.search(until, said.decode(errors="replace")):
            assert select.select([self.terminal], [], [], 20)[0], said
            said += os.read(self.terminal, 4096)
        return said.decode()

    def completed(self, begin: str) -> str:
        """What the tabulator makes of the beginning of a line."""
        return re.findall("<(.*)>", self.type(f"claude-proxy {begin}\t\n", "<.*>\r?\n"))[-1].strip()

    def end(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.terminal)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_completions_of_claude_proxy(installed: Path, tmp_path: Path, shell: str) -> None:
    """In the shell itself: its words, its options, those of http-frontd where they are taken, and files."""
    (tmp_path / "settings").write_text("")
    terminal = Terminal(shell, installed / "usr/share", tmp_path)
    try:
        for begin, whole in (("d", "demo"), ("a", "ask"), ("t", "token"), ("serve --conf", "serve --config"), ("--config set", "--config settings"),
                             ("--config settings s", "--config settings serve"), ("check --max-bo", "check --max-body"),
                             ("ask --s", "ask --system"), ("ask --model o", "ask --model opus"), ("ask --max-bo", "ask --max-bo")):
            assert terminal.completed(begin) == whole
    finally:
        terminal.end()


def test_completions_for_fish(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "settings").write_text("")

    def offered(line: str) -> set[str]:
        name = line.split()[0]
        script = f"source {installed}/usr/share/fish/vendor_completions.d/{name}.fish; complete -C '{line}'"
        said = subprocess.run(["fish", "--no-config", "-c", script], check=True, capture_output=True, text=True, cwd=tmp_path,
                              env=environment(tmp_path, PATH=f"{installed}/usr/bin:{os.environ['PATH']}"))
        assert not said.stderr, said
        return {line.split("\t")[0] for line in said.stdout.splitlines()}

    assert {"serve", "check", "demo", "ask", "token"} <= offered("claude-proxy ")
    assert offered("claude-proxy check --conf") == {"--config"} and offered("claude-proxy --config se") == {"settings"}
    assert offered("claude-proxy ask --") == {"--model", "--system", "--help"} and offered("claude-proxy token ") == set()
    assert "--max-body" in offered("claude-proxy serve --max") and "opus" in offered("claude-proxy ask --model ")
    assert offered("claude-record se") == {"settings"} and offered("claude-record x ") == {"--"}
    assert "claude-echo" in offered("claude-record x -- claude-e")


def test_completions_know_every_word(installed: Path) -> None:
    """Those of --help, in each shell."""
    share = installed / "usr/share"
    for program, script in (("claude-proxy", "claude-proxy"), ("claude-proxy", "claude-proxy-ask"), ("claude-record", "record")):
        said = subprocess.run([REPOSITORY / "scripts" / script, "--help"], check=True, capture_output=True, text=True).stdout
        words = re.findall(r"^  (?:--)?([a-z]+) ", said, re.M)
        assert words, said
        for place in ("bash-completion/completions/{}", "zsh/site-functions/_{}", "fish/vendor_completions.d/{}.fish"):
            completion = (share / place.format(program)).read_text()
            missing = {word for word in words if not re.search(rf"\b{word}\b", completion)}
            assert not missing - {"help"}, (place, missing)


def test_units_name_what_is_there(installed: Path) -> None:
    unit = (installed / "usr/lib/systemd/system/claude-proxy.service").read_text()
    assert "/usr/local" not in unit
    [command] = re.findall(r"^ExecStart=(\S+)$", unit, re.M)
    [settings] = re.findall(r"CLAUDE_PROXY_CONFIG=(\S+)$", unit, re.M)
    assert (installed / command.lstrip("/")).exists() and (installed / settings.lstrip("/")).exists()
    assert (installed / settings.lstrip("/")).stat().st_mode & 0o777 == 0o640


def test_every_setting_is_in_the_example(installed: Path, tmp_path: Path) -> None:
    """All that claude-proxy takes from a file, and nothing else; with every default set, it is content."""
    script = (REPOSITORY / "scripts/claude-proxy-settings.sh").read_text()
    [body] = re.findall(r"^is_setting\(\) \{(.*?)^\}", script, re.M | re.S)
    taken = {word for word in re.findall(r"[A-Z][A-Z_]+\*?", body)} - PATTERNS - {"CLAUDE_PROXY_*", "A", "Z"}
    text = (installed / "etc/claude-proxy/claude-proxy.env").read_text()
    said = re.findall(r"^#([A-Z_]+)=(.*)$", text, re.M)
    assert taken - {name for name, _ in said} == set()
    (example := tmp_path / "settings").write_text(
        "".join(f"{name}={value}\n" for name, value in said if value and not value.startswith("/")) + "BACKEND=claude-echo\nPORT=0\n")
    example.chmod(0o600)
    checked = subprocess.run([installed / "usr/bin/claude-proxy", "--check", "--config", example],
                             env=environment(tmp_path), capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked


def test_uninstall(tmp_path: Path) -> None:
    """Nothing is left, but settings that someone changed; and those are never written over."""
    make("install", tmp_path, "/opt/proxy")
    settings = tmp_path / "opt/proxy/etc/claude-proxy/claude-proxy.env"
    assert settings.exists() and not (tmp_path / "etc").exists()
    make("uninstall", tmp_path, "/opt/proxy")
    assert names(tmp_path) == set()
    make("install", tmp_path, "/opt/proxy")
    settings.write_text("BACKEND=claude-echo\n")
    make("install", tmp_path, "/opt/proxy")
    make("uninstall", tmp_path, "/opt/proxy")
    assert names(tmp_path) == {"opt/proxy/etc/claude-proxy/claude-proxy.env"} and settings.read_text() == "BACKEND=claude-echo\n"


def test_dist_is_the_same_each_time(tmp_path: Path) -> None:
    tarballs = []
    for folder in (tmp_path / "1", tmp_path / "2"):
        said = subprocess.run([REPOSITORY / "scripts/dist", folder], check=True, capture_output=True, text=True, timeout=60)
        tarballs.append(Path(said.stdout.strip()).read_bytes())
    assert tarballs[0] == tarballs[1] and len(tarballs[0]) > 100_000


@pytest.mark.skipif(not shutil.which("dpkg-shlibdeps"), reason="no Debian packages are made here")
def test_the_package_is_the_same_each_time(tmp_path: Path) -> None:
    """Of the same programs, whoever makes it, where and when; and all is root's, and as old as the commit."""
    packages = []
    for folder, mask, zone in ((tmp_path / "1", 0o022, "UTC"), (tmp_path / "elsewhere/2", 0o077, "Asia/Tokyo")):
        said = subprocess.run([REPOSITORY / "scripts/deb", folder], check=True, capture_output=True, text=True, timeout=120, umask=mask,
                              env=os.environ | {"TZ": zone, "LC_ALL": "C.UTF-8" if mask == 0o022 else "C",
                                                 # To pack them takes longer than all else.
                                                 "DPKG_DEB_COMPRESSOR_TYPE": "none"})
        packages.append(Path(said.stdout.strip()))
    depends = subprocess.run(["dpkg-deb", "-f", packages[0], "Depends"], check=True, capture_output=True, text=True).stdout
    # No tool sees that claude-http loads libcurl by its name.
    assert "libjansson4" in depends and "libcurl4" in depends and "libstdc++" not in depends, depends
    assert packages[0].read_bytes() == packages[1].read_bytes()
    listed = subprocess.run(["dpkg-deb", "-c", packages[0]], check=True, capture_output=True, text=True).stdout.splitlines()
    names = {line.split()[5] for line in listed}
    assert {"./usr/bin/claude-proxy", "./usr/share/claude-proxy/claude-proxy-settings.sh", "./usr/share/man/man1/claude-record.1.gz",
            "./usr/share/zsh/vendor-completions/_claude-proxy", "./lib/systemd/system/claude-proxy.socket"} <= names
    subprocess.run(["dpkg-deb", "-x", packages[0], tmp_path / "root"], check=True)
    built = tmp_path / "root/usr"
    for linked in (built / "bin/http-frontd", built / "lib/claude-proxy/libclaude-proxy.so"):
        # What differs from folder to folder.
        for section, pattern in ((".swift_modhash", r"  0x[0-9a-f]+ ([0-9a-f ]{35}) "), (".note.gnu.build-id", r"Build ID: (\w+)")):
            said = subprocess.run(["readelf", "-n", "-x", section, linked], check=True, capture_output=True, text=True).stdout
            found = re.findall(pattern, said)
            assert found and set("".join(found)) <= {"0", " "}, said
    programs = [path for path in (built / "bin").iterdir() if path.read_bytes().startswith(b"\x7fELF")]
    assert len(programs) > 10
    for program in programs:
        assert subprocess.run([program, "--version"], capture_output=True, text=True, env={}).stdout.strip(), program
    assert {line.split()[1] for line in listed} == {"root/root"} and len({tuple(line.split()[3:5]) for line in listed}) == 1


def test_the_image_gets_what_it_needs_and_nothing_else() -> None:
    """By .dockerignore, as the script that carries out the Dockerfile without an engine reads it."""
    loader = SourceFileLoader("build_in_chroot", str(REPOSITORY / "scripts/docker/build-in-chroot"))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    context = module.Context()
    files = context.files
    assert {"Package.swift", "Makefile", "scripts/claude-proxy", "scripts/docker/entrypoint", "Sources/CLinux/CLinux.c"} <= set(files)
    assert not [path for path in files if path.startswith((".", "scripts/docker/")) and path != "scripts/docker/entrypoint"]
    lines = module.instructions((REPOSITORY / "scripts/docker/Dockerfile").read_text())
    for word, rest in lines:
        for source in rest.split()[:-1] if word == "COPY" and "--from" not in rest else []:
            assert context.below(source), source


@pytest.mark.parametrize("words, settings, status, said", [
    (["sh", "-c", "id -u; id -g; echo $AUTH_TOKEN"], {"PUID": "1234", "PGID": "2345"}, 0, "1234\n2345\nof-a-file\n"),
    (["sh", "-c", "id -u"], {"PUID": "0"}, 78, ""), (["sh", "-c", "id -u"], {"PUID": "me"}, 78, "")])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes someone else")
def test_the_images_user(tmp_path: Path, words: list[str], settings: dict[str, str], status: int, said: str) -> None:
    """PUID and PGID, before anything else runs; a secret that is root's is read for them."""
    (tmp_path / "AUTH_TOKEN").write_text("of-a-file\n")
    (home := tmp_path / "home").mkdir()
    ran = subprocess.run([REPOSITORY / "scripts/docker/entrypoint", *words], capture_output=True, text=True, timeout=60,
                         env=environment(home, CREDENTIALS_DIRECTORY=str(tmp_path), **settings))
    assert (ran.returncode, ran.stdout) == (status, said), ran
