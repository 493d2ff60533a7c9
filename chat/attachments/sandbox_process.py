"""The program of the child process that `chat.attachments.sandbox` starts.

It sets limits, runs a script on one file, writes the answer and exits. It imports only the standard library.
"""

import contextlib
import json
import resource
import runpy
import sys


def set_limits(memory: int, seconds: int) -> None:
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: seconds,
        # These limits forbid writing files and core dumps. A core dump could contain a part of a customer's file.
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        # macOS refuses some of these limits. There, only the scripts' own checks and the limit on wall time apply.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))


def main() -> None:
    script, memory, seconds, *arguments = sys.argv[1:]
    set_limits(int(memory), int(seconds))
    answer = runpy.run_path(script)["answer"]
    header, content = answer(sys.stdin.buffer.read(), *arguments)
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n")
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
