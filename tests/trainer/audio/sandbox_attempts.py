"""What a process that was taken over would try; all of it must be refused."""

from __future__ import annotations

ATTEMPTS = {
    "append": "open(path, 'ab').write(b'x')",
    "overwrite": "open(path, 'r+b').write(b'x')",
    "truncate": "os.truncate(path, 0)",
    "unlink": "os.unlink(path)",
    "rename": "os.rename(path, path + 'x')",
    "mkdir": "os.mkdir(path + 'x')",
    "symlink": "os.symlink(path, path + 'x')",
    "link": "os.link(path, path + 'x')",
    "read a file": "open(path, 'rb').read()",
    "read it again": "open(f'/proc/self/fd/{kept}', 'rb').read()",
    "list a folder": "os.listdir(os.path.dirname(path))",
    "read the passwords": "open('/etc/passwd', 'rb').read()",
    "read another's memory": "open(f'/proc/{os.getppid()}/maps', 'rb').read()",
    "read another's environment": "open(f'/proc/{os.getppid()}/environ', 'rb').read()",
    "chmod": "os.chmod(path, 0o777)",
    "fchmod": "os.fchmod(kept, 0o777)",
    "utime": "os.utime(path)",
    "futime": "os.utime(kept)",
    "chown": "os.chown(path, os.getuid(), os.getgid())",
    "attribute": "os.setxattr(kept, 'user.x', b'x')",
    "lock": "fcntl.flock(kept, fcntl.LOCK_EX)",
    "lease": "fcntl.fcntl(kept, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
    "write": "os.write(kept, b'x')",
    "execute": "os.execv('/bin/true', ['true'])",
    "subprocess": "subprocess.run(['/bin/true'])",
    "fork": "os.fork() or os._exit(0)",
    "thread": "threading.Thread(target=print).start()",
    "tcp": "socket.create_connection(('127.0.0.1', int(target)))",
    "udp": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "udp by a socket that was left": "udp.sendto(b'x', ('127.0.0.1', int(target)))",
    "unix": "socket.socket(socket.AF_UNIX)",
    "netlink": "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "signal": "os.kill(os.getppid(), 0)",
    "signal to all": "os.kill(-1, 0)",
    "signal by a file": "fcntl.fcntl(kept, fcntl.F_SETOWN, os.getppid())",
    "queued signal": "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 0)",
    "priority of another": "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
    "limits of another": "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
    "trace": "call(libc.ptrace(16, os.getppid(), 0, 0))",
    "memory of another": "call(libc.process_vm_readv(os.getppid(), None, 0, None, 0, 0))",
    "memory file": "os.memfd_create('x')",
    "shared memory segment": "call(libc.shmget(0, 4096, 0o1600))",
    "namespace": "call(libc.unshare(0x10000000))",
    "mount": "call(libc.mount(b'x', b'/', b'tmpfs', 0, None))",
    "bpf": "call(libc.syscall(321 if os.uname().machine == 'x86_64' else 280, 0, 0, 0))",
    "io_uring": "call(libc.syscall(425, 1, 0))",
    "command to a terminal": "fcntl.ioctl(kept, 0x5412, b'x')",
    "private memory": "bytearray(1200 * 2**20)",
    "shared memory": "mmap.mmap(-1, 4000 * 2**20)",
    "descriptors": "[os.dup(kept) for _ in range(100)]",
}
"""Each by its name; they see a path, an open file and a port, and the modules of `PROBE`."""

PROBE = f"""
import ctypes, fcntl, mmap, os, resource, signal, socket, subprocess, sys, threading
attempts = {ATTEMPTS!r}
libc = ctypes.CDLL(None, use_errno=True)
try:
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
except OSError:
    # Under the unit, not even an unconfined process gets one.
    del attempts["udp by a socket that was left"]
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
def successful(path, kept, target):
    seen = globals() | {{"path": path, "kept": kept, "target": target}}
    done = []
    for name, attempt in attempts.items():
        try:
            exec(attempt, seen)
        except (OSError, MemoryError, RuntimeError):
            continue
        done.append(name)
    return done
"""
"""A program that makes all attempts in one process, and tells which were not refused."""
