"""Child process of `chat.attachments.sandbox`: sets the limits, loads the script, answers once.

It imports the standard library only.
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
        # No files are written, and no memory of a customer's file ends in a core dump.
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in limits.items():
        # macOS refuses some limits; there the demo relies on the checks of the scripts and on the wall time.
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
