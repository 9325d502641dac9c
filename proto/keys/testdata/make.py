# SPDX-License-Identifier: GPL-2.0-or-later
# Makes scrypt.txt: secret key files that other code than ours encrypted, by the
# standard library of Python, with the key of RFC 8032, 7.1, test 1. Each line:
# operations, memory, N, p, password, file without its comment.

import base64, hashlib, struct

seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
key = bytes(range(8)) + seed + public
key += hashlib.blake2b(b"Ed" + key, digest_size=32).digest()
salt = bytes(range(100, 132))


def file(operations, memory, n, p, password):
    stream = hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=p, maxmem=1 << 27, dklen=len(key))
    sealed = bytes(a ^ b for a, b in zip(key, stream))
    raw = b"EdScB2" + salt + struct.pack("<QQ", operations, memory) + sealed
    print(operations, memory, n, p, password, base64.b64encode(raw).decode())


file(1 << 19, 1 << 24, 1 << 14, 1, "interactive")
file(0, 1 << 24, 1 << 10, 1, "fewest-operations")
file(1 << 20, 1 << 30, 1 << 15, 1, "memory-to-spare")
file(1 << 20, 1 << 20, 1 << 10, 32, "work-to-spare")
file(1 << 15, 0, 2, 512, "no-memory")
file(70000, 3 << 20, 1 << 11, 1, "no-powers-of-two")
