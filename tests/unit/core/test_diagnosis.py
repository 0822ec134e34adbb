"""What a container's end means in words: lines as real programs print them, and the hint people get."""

from __future__ import annotations

import pytest

from gamepipeline_engine.core.diagnosis import (
    PATTERNS,
    SIGNALS,
    TAIL_BYTES,
    TAIL_LINES,
    diagnose_exit,
    hint_for,
    tail,
)

HINTS = {one.name: one.hint for one in PATTERNS}

REAL_LINES = [
    ("no_space", "tar: write error: No space left on device"),
    ("no_space", "cp: error writing '/data/x': Disk quota exceeded"),
    ("no_space", "Error: ENOSPC: no space left on device, write"),
    ("no_space", "OSError: [Errno 28] No space left on device: '/workspace/a'"),
    ("gpu_driver", "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."),
    ("gpu_driver", "CUDA error: CUDA driver version is insufficient for CUDA runtime version"),
    ("gpu_driver", "RuntimeError: No CUDA-capable device is detected"),
    ("gpu_driver", "ImportError: libcuda.so.1: cannot open shared object file: No such file or directory"),
    ("gpu_driver", "Failed to initialize NVML: Driver/library version mismatch"),
    ("gpu_driver", "libGL error: failed to load driver: swrast"),
    ("gpu_driver", "vkCreateInstance failed: VK_ERROR_INCOMPATIBLE_DRIVER"),
    ("gpu_driver", "wine: failed to open /dev/dri/renderD128: No such file or directory"),
    ("missing_library", "./game: error while loading shared libraries: libSDL2-2.0.so.0: cannot open shared object"),
    ("missing_library", "dlopen(libfoo.dylib): Library not loaded: @rpath/libfoo.dylib"),
    ("missing_library", "./game: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./game)"),
    ("permission", "mkdir: can't create directory '/data/x': Permission denied"),
    ("permission", "mount: permission denied (are you root?)"),
    ("permission", "chown: /data: Operation not permitted"),
    ("permission", "Error: EACCES: permission denied, open '/etc/shadow'"),
    ("permission", "touch: /x: Read-only file system"),
    ("connection_refused", "wget: can't connect to remote host (10.0.0.2): Connection refused"),
    ("connection_refused", "curl: (7) Failed to connect to localhost port 80: Connection refused"),
    ("connection_refused", "Error: connect ECONNREFUSED 127.0.0.1:5432"),
    ("connection_refused", "dial tcp 127.0.0.1:4222: connect: connection refused"),
    ("name_resolution", "wget: bad address 'assets'"),
    ("name_resolution", "curl: (6) Could not resolve host: assets"),
    ("name_resolution", "ping: db: Name or service not known"),
    ("name_resolution", "getaddrinfo ENOTFOUND api.example"),
    ("name_resolution", "dial tcp: lookup nats on 127.0.0.11:53: no such host"),
    ("name_resolution", "Temporary failure in name resolution"),
    ("timeout", "ssh: connect to host 10.1.2.3 port 22: Connection timed out"),
    ("timeout", "curl: (28) Operation timed out after 30001 milliseconds"),
    ("timeout", "read tcp 10.0.0.1:443: i/o timeout"),
    ("timeout", "connect: No route to host"),
    ("timeout", "RTNETLINK answers: Network is unreachable"),
    ("tls", "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
    ("tls", "x509: certificate signed by unknown authority"),
    ("tls", "curl: (60) SSL certificate problem: unable to get local issuer certificate"),
    ("tls", "Error: self signed certificate in certificate chain"),
    ("tls", "curl: (60) SSL certificate problem: certificate has expired"),
    ("address_in_use", "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)"),
    ("address_in_use", "Error: listen EADDRINUSE: address already in use :::3000"),
    ("out_of_memory", "fatal error: runtime: out of memory"),
    ("out_of_memory", "fork: Cannot allocate memory"),
    ("out_of_memory", "terminate called after throwing an instance of 'std::bad_alloc'"),
    ("out_of_memory", "java.lang.OutOfMemoryError: Java heap space"),
    ("out_of_memory", "MemoryError"),
    ("http_status", "wget: server returned error: HTTP/1.1 404 Not Found"),
    ("http_status", "wget: server returned error: HTTP/1.0 503 Service Unavailable"),
    ("http_status", "error: failed to fetch: 403 Forbidden"),
    ("http_status", "HTTP request failed: 502 Bad Gateway"),
    ("not_found", "sh: 1: gcc: not found"),
    ("not_found", "cat: can't open '/workspace/missing': No such file or directory"),
    ("not_found", "Error: ENOENT, stat '/app/index.js'"),
]


@pytest.mark.parametrize(("name", "line"), REAL_LINES)
def test_real_lines(name: str, line: str) -> None:
    """A line as a real program prints it gets the hint of its kind, in any case of its letters."""
    assert hint_for([line]) == HINTS[name]
    assert hint_for([line.upper()]) == HINTS[name]


def test_every_pattern_has_a_real_line() -> None:
    """No pattern is there that no program's line stands for; there are at least the ten promised kinds."""
    assert {name for name, _ in REAL_LINES} == set(HINTS)
    assert len(HINTS) >= 10


@pytest.mark.parametrize("line", ["", "all is well", "listening on port 8080", "0 errors, 3 warnings", "done in 4.2 s"])
def test_ordinary_lines(line: str) -> None:
    """A line that says nothing bad gets no hint."""
    assert hint_for([line]) is None


def test_the_newest_line_counts() -> None:
    """Of several known lines the last one printed is the story."""
    assert hint_for(["Permission denied", "Connection refused", "bye"]) == HINTS["connection_refused"]
    assert hint_for([]) is None


def test_only_the_beginning_of_a_long_line_is_searched() -> None:
    """A line of megabytes does not cost more than its first 4 KiB."""
    assert hint_for(["x" * 5000 + " Permission denied"]) is None


@pytest.mark.parametrize(("number", "name"), SIGNALS.items())
def test_signals(number: int, name: str) -> None:
    """An exit code above 128 that stands for a signal is told by the signal's name."""
    found = diagnose_exit(128 + number, oom_killed=False, log_tail=())
    assert (found.cause, found.message) == ("signal", f"was ended by {name} (exit code {128 + number})")


@pytest.mark.parametrize("code", [1, 2, 125, 128, 160, 255])
def test_other_codes(code: int) -> None:
    """Every other code is a failure of the program, told by its number."""
    found = diagnose_exit(code, oom_killed=False, log_tail=())
    assert (found.cause, found.message, found.hint) == ("exit_nonzero", f"ended with exit code {code}", None)


@pytest.mark.parametrize("code", [137, 1])
def test_out_of_memory(code: int) -> None:
    """A container the kernel killed for its memory says so, with the setting to change."""
    found = diagnose_exit(code, oom_killed=True, log_tail=["Permission denied"])
    assert found.cause == "oom_killed"
    assert "mem_limit" in (found.hint or "")


def test_a_child_out_of_memory() -> None:
    """A program that ended by itself after the kernel killed a child of it keeps its own code."""
    found = diagnose_exit(3, oom_killed=True, log_tail=())
    assert (found.cause, found.message) == (
        "exit_nonzero",
        "ended with exit code 3 (a process in it ran out of memory)",
    )


def test_the_hint_comes_from_the_log() -> None:
    """A failed exit carries the hint of its last known line."""
    assert diagnose_exit(1, oom_killed=False, log_tail=["wget: bad address 'x'"]).hint == HINTS["name_resolution"]
    assert diagnose_exit(139, oom_killed=False, log_tail=["MemoryError"]).hint == HINTS["out_of_memory"]


def test_code_127() -> None:
    """A shell's ``command not found`` has a hint even when the log says nothing."""
    assert "did not find a command" in (diagnose_exit(127, oom_killed=False, log_tail=()).hint or "")
    assert diagnose_exit(127, oom_killed=False, log_tail=["x: not found"]).hint == HINTS["not_found"]


def test_tail_keeps_the_newest_lines() -> None:
    """At most twenty lines, in their order."""
    lines = [f"line {n}" for n in range(50)]
    assert tail(lines) == lines[-TAIL_LINES:]
    assert tail([]) == []
    assert tail(["a", "b"]) == ["a", "b"]


def test_tail_is_bounded_in_bytes() -> None:
    """At most 8 KiB: older lines go first, and a single line that is longer is cut."""
    lines = ["old", "x" * 5000, "y" * 5000]
    assert tail(lines) == ["y" * 5000]
    cut = tail(["é" * TAIL_BYTES])
    assert len(cut) == 1
    assert 0 < len(cut[0].encode()) < TAIL_BYTES
    assert set(cut[0]) == {"é"}


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        (127, "exec no-such failed: No such file or directory", "command_not_found"),
        (126, "exec /data/notes.txt failed: Permission denied", "not_executable"),
    ],
)
def test_a_command_that_the_init_could_not_execute(code: int, words: str, cause: str) -> None:
    """With an init inside the container the start succeeds; its last words tell what Docker would have refused."""
    found = diagnose_exit(code, oom_killed=False, log_tail=["before", f"[FATAL tini (7)] {words}"])
    assert (found.cause, found.message) == (cause, f"could not be executed: {words}")
    assert found.hint


def test_words_of_the_init_with_another_code() -> None:
    """A program that prints the like and ends otherwise keeps its own story."""
    found = diagnose_exit(3, oom_killed=False, log_tail=["[FATAL tini (7)] exec x failed: No such file or directory"])
    assert found.cause == "exit_nonzero"
