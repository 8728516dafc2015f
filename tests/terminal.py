#!/usr/bin/env python3
"""Types at `reeve run` through a terminal: input, Ctrl-C, and Ctrl-Z with fg under a shell.

usage: terminal.py REEVE. Prints `ok NAME` or `not ok NAME` for each.
"""
import os
import pty
import select
import signal
import sys

WAIT_SECONDS = 20


class Terminal:
    def __init__(self, *command):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "dumb"
            os.execvp(command[0], command)
        self.seen = b""

    def read(self):
        if not select.select([self.fd], [], [], WAIT_SECONDS)[0]:
            return b""
        try:
            return os.read(self.fd, 4096)
        except OSError:  # the other side has closed
            return b""

    def expect(self, text):
        while text not in self.seen:
            more = self.read()
            if not more:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError(f"no {text!r} in {self.seen!r}")
            self.seen += more
        self.seen = self.seen.split(text, 1)[1]

    def type(self, text):
        os.write(self.fd, text)

    def exit_code(self):
        while more := self.read():
            self.seen += more
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def try_input(reeve):
    terminal = Terminal(reeve, "run", "--", "sh", "-c", 'printf "ask> "; read x; echo "got $x"; exit 3')
    terminal.expect(b"ask> ")
    terminal.type(b"hello\n")
    terminal.expect(b"got hello")
    assert terminal.exit_code() == 3


def try_interrupt(reeve):
    terminal = Terminal(reeve, "run", "--", "sh", "-c", "echo ready; exec sleep 100")
    terminal.expect(b"ready\r\n")
    terminal.type(b"\x03")
    assert terminal.exit_code() == 128 + signal.SIGINT


def try_job_control(reeve):
    shell = Terminal("bash", "--norc", "--noediting", "-i")
    shell.expect(b"# " if os.getuid() == 0 else b"$ ")
    script = "echo ready; read x; echo got-\\$x"
    shell.type(f'{reeve} run -- sh -c "{script}"\n'.encode())
    shell.expect(b"ready\r\n")
    shell.type(b"\x1a")
    shell.expect(b"Stopped")
    shell.type(b"echo $((40 + 2))\n")
    shell.expect(b"42\r\n")  # the shell has its terminal back
    shell.type(b"fg\n")
    shell.expect(script.encode())
    shell.type(b"again\n")
    shell.expect(b"got-again")
    shell.expect(b"exited, exit 0")
    shell.type(b"exit\n")
    shell.exit_code()


def main():
    failed = False
    for name, test in (
        ("the command reads the terminal", try_input),
        ("Ctrl-C ends the command", try_interrupt),
        ("Ctrl-Z and fg", try_job_control),
    ):
        try:
            test(sys.argv[1])
            print("ok", name)
        except AssertionError as problem:
            print("not ok", name)
            print("   ", problem)
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
