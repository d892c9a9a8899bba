"""Looks at prebuilt addons as files: what each exports, needs and looks up, how old a system it loads on, what it can
compute with, whether a Mach-O's signature holds, and how large it is.

The first argument is JSON: { folder, nodeApi: [name], targets: [{ file, triple, sets }], digest, builtIn }. One row for each file, then what
is wrong, one line for each; the exit status is 1 if anything is.
"""
import gzip
import hashlib
import json
import os
import re
import struct
import sys

import lief

EXPORTS = {'napi_register_module_v1', 'node_api_module_get_api_version_v1'}
GLIBC = (2, 17)
MACOS = (11, 0)
MOST_BYTES = 5_000_000
FORMATS = {'linux': 'ELF', 'macos': 'Mach-O', 'windows': 'PE'}
# What of the C library the files for musl take. musl has no versions that would tell a name of its own from another.
OF_MUSL = set(
    """
    __cxa_atexit __errno_location __sched_cpucount __tls_get_addr abort aligned_alloc bcmp ceil ceilf clock_gettime cos cosf
    dl_iterate_phdr dladdr fclose fflush fgets floor floorf fopen fprintf fputc free fscanf fwrite getenv log madvise malloc
    memchr memcpy memmove memset mmap munmap nearbyint nearbyintf nextafter nextafterf pow powf pthread_cond_broadcast
    pthread_cond_destroy pthread_cond_signal pthread_cond_timedwait pthread_cond_wait pthread_create pthread_detach
    pthread_key_create
    pthread_mutex_destroy pthread_mutex_lock pthread_mutex_trylock pthread_mutex_unlock pthread_rwlock_rdlock pthread_rwlock_unlock
    pthread_rwlock_wrlock pthread_self pthread_setname_np pthread_setspecific realloc remove sched_getaffinity sched_yield
    setpriority sin sinf snprintf sscanf stderr strchr strcmp strcspn strerror_r strlen strtol syscall sysconf vfprintf vsnprintf
    """.split()
)
# A product has hundreds of multiply-adds of the widest vectors; bytes that look like one by chance are few.
MULTIPLY_ADDS = 200


def kind_and_end(data):
    """The format of a file, and where the last of what its tables name ends."""
    if data[:6] == b'\x7fELF\x02\x01':
        sections, = struct.unpack_from('<Q', data, 0x28)
        size, count = struct.unpack_from('<2H', data, 0x3A)
        return 'ELF', sections + size * count
    if data[:4] == b'\xcf\xfa\xed\xfe':
        at, end = 32, 0
        for _ in range(struct.unpack_from('<I', data, 16)[0]):
            command, length = struct.unpack_from('<2I', data, at)
            if command == 0x19:
                end = max(end, sum(struct.unpack_from('<2Q', data, at + 40)))
            at += length
        return 'Mach-O', end
    if data[:2] == b'MZ':
        header, = struct.unpack_from('<I', data, 0x3C)
        sections, optional = struct.unpack_from('<H12xH', data, header + 6)
        table = header + 24 + optional
        return 'PE', max(sum(struct.unpack_from('<2I', data, table + 40 * i + 16)) for i in range(sections))
    return 'of no known format', 0


def multiply_adds(data, isa):
    """How many fused multiply-adds of this instruction set's vectors the bytes hold."""
    if isa == 'avx512':
        return len(re.findall(rb'\x62[\x02-\xf2][\x05-\x7d][\x48-\x5f]\xb8', data, re.DOTALL))
    if isa == 'avx2':
        return len(re.findall(rb'\xc4[\x42\x62\xc2\xe2][\x05\x0d\x15\x1d\x25\x2d\x35\x3d\x45\x4d\x55\x5d\x65\x6d\x75\x7d]\xb8', data, re.DOTALL))
    words = struct.unpack(f'<{len(data) // 4}I', data[: len(data) // 4 * 4])
    return sum((w & 0xBFA0FC00) == 0x0E20CC00 or (w & 0xBF80F400) == 0x0F801000 for w in words)


def wrong_pages(binary, data):
    """The pages of a Mach-O whose hash is not the one that its ad-hoc signature holds; None without a signature."""
    if not binary.has_code_signature:
        return None
    offset = binary.code_signature.data_offset
    (count,) = struct.unpack_from('>I', data, offset + 8)
    for i in range(count):
        slot, where = struct.unpack_from('>2I', data, offset + 12 + 8 * i)
        if slot == 0:
            break
    else:
        return None
    directory = offset + where
    hashes, _, _, pages, limit = struct.unpack_from('>5I', data, directory + 16)
    size, page = data[directory + 36], 1 << data[directory + 39]
    wrong = limit != offset
    for k in range(pages):
        piece = data[k * page : min((k + 1) * page, limit)]
        at = directory + hashes + k * size
        wrong += hashlib.sha256(piece).digest()[:size] != data[at : at + size]
    return wrong


def look_elf(binary, target, fault):
    machine = {'x86_64': 'X86_64', 'aarch64': 'AARCH64'}[target['triple'].split('-')[0]]
    if binary.header.machine_type.name != machine:
        fault(f'is for {binary.header.machine_type.name}')
    named = [s for s in binary.dynamic_symbols if s.name]
    exports = {s.name for s in named if s.shndx != 0 and s.binding.name != 'LOCAL'}
    musl = 'musl' in target['triple']
    allowed = r'libc\.so' if musl else r'lib(c|m|pthread|dl)\.so\.\d|ld-linux-[-a-z0-9_]+\.so\.\d'
    for name in binary.libraries:
        if not re.fullmatch(allowed, name):
            fault(f'needs {name}')
    versions = sorted({v.name for r in binary.symbols_version_requirement for v in r.get_auxiliary_symbols()})
    newest = max([tuple(map(int, v[6:].split('.'))) for v in versions if v.startswith('GLIBC_')] or [(0,)])
    if newest > GLIBC:
        fault(f'needs GLIBC_{".".join(map(str, newest))}')
    for version in versions:
        if not version.startswith('GLIBC_'):
            fault(f'needs the version {version}')
    looked_up = {s.name for s in named if s.shndx == 0 and s.binding.name != 'WEAK' and not (s.has_version and s.symbol_version.value > 1)}
    if not {'memcpy', 'memset'} <= {s.name for s in named if s.shndx == 0}:
        fault("has a memcpy or memset of its own in place of the C library's")
    entries = {e.tag.name: e for e in binary.dynamic_entries}
    if not entries.get('FLAGS_1') or not any(f.name == 'NODELETE' for f in entries['FLAGS_1'].flags):
        fault('may be unloaded while its threads still run (no NODELETE)')
    if any(s.type.name == 'GNU_STACK' and int(s.flags) & 1 for s in binary.segments):
        fault('has an executable stack')
    if not any(s.type.name == 'GNU_RELRO' for s in binary.segments):
        fault('leaves its relocated data writable')
    if musl:
        looked_up -= OF_MUSL
    return exports, looked_up, 'musl' if musl else f'glibc {".".join(map(str, newest))}'


def look_macho(binary, target, fault, data):
    machine = {'x86_64': 'X86_64', 'aarch64': 'ARM64'}[target['triple'].split('-')[0]]
    if binary.header.cpu_type.name != machine:
        fault(f'is for {binary.header.cpu_type.name}')
    exports = {s.name[1:] for s in binary.exported_symbols} - {'_mh_dylib_header', '__dso_handle'}
    names = [(c.command.name, c.name) for c in binary.libraries]
    for command, name in names:
        if (command, name) not in [('ID_DYLIB', '@rpath/latent.node'), ('LOAD_DYLIB', '/usr/lib/libSystem.B.dylib')]:
            fault(f'{"calls itself" if command == "ID_DYLIB" else "needs"} {name}')
    oldest = tuple(binary.build_version.minos[:2])
    if oldest != MACOS:
        fault(f'needs macOS {oldest}')
    wrong = wrong_pages(binary, data)
    if wrong:
        fault(f'{wrong} pages differ from what was signed')
    if wrong is None and machine == 'ARM64':
        fault('is not signed')
    # Names of the system are bound to its library; those of the program that loads the file are looked up everywhere.
    looked_up = {b.symbol.name[1:] for b in binary.bindings if b.has_symbol and not b.has_library}
    return exports, looked_up, f'macOS {oldest[0]}'


def look_pe(binary, target, fault):
    machine = {'x86_64': 'AMD64', 'aarch64': 'ARM64'}[target['triple'].split('-')[0]]
    if binary.header.machine.name != machine:
        fault(f'is for {binary.header.machine.name}')
    exports = {e.name for e in binary.get_export().entries}
    for library in binary.imports:
        if not re.fullmatch(r'kernel32\.dll|api-ms-win-(crt|core)-[a-z0-9-]+\.dll', library.name, re.IGNORECASE):
            fault(f'needs {library.name}')
    # Node's functions are looked up in the running program when the file is loaded.
    return exports, set(), 'Windows'


def look(target, request):
    faults = []
    path = os.path.join(request['folder'], target['file'])

    def fault(text):
        faults.append(f'{target["file"]} {text}')

    if not os.path.exists(path):
        fault('is missing')
        return None, faults
    with open(path, 'rb') as file:
        data = file.read()
    kind, end = kind_and_end(data)
    wanted = next(kind for name, kind in FORMATS.items() if name in target['triple'])
    if kind != wanted:
        fault(f'is {kind} and not {wanted}')
        return None, faults
    if end > len(data):
        fault(f'ends at {len(data)} bytes, before {end}')
        return None, faults
    binary = lief.parse(path)
    if isinstance(binary, lief.ELF.Binary):
        exports, looked_up, system = look_elf(binary, target, fault)
    elif isinstance(binary, lief.MachO.Binary):
        exports, looked_up, system = look_macho(binary, target, fault, data)
    else:
        exports, looked_up, system = look_pe(binary, target, fault)
    if exports != EXPORTS:
        fault(f'exports {sorted(exports)}')
    if not looked_up and not isinstance(binary, lief.PE.Binary):
        fault('looks up nothing of Node-API')
    for name in sorted(looked_up - set(request['nodeApi'])):
        fault(f'looks up {name}, which neither Node-API nor the system has')
    for isa in target['sets']:
        if isa != 'scalar' and multiply_adds(data, isa) < MULTIPLY_ADDS:
            fault(f'has no kernels for {isa}')
    if request['digest'].encode() not in data:
        fault('was built from other sources than those that are here')
    # A name of the builder's folders has no place in a file for others.
    if request['builtIn'].encode() in data:
        fault('holds the path of the folder in which it was built')
    if len(data) > MOST_BYTES:
        fault(f'has {len(data)} bytes, more than {MOST_BYTES}')
    return (target['file'], len(data), len(gzip.compress(data, 9)), system), faults


def main():
    request = json.loads(sys.argv[1])
    rows, faults = [], []
    for target in request['targets']:
        row, found = look(target, request)
        if row:
            rows.append(row)
        faults += found
    for file, size, packed, system in rows:
        print(f'{file:32} {size / 1e6:6.2f} MB {packed / 1e6:6.2f} MB packed   {system}')
    print(f'{"together":32} {sum(r[1] for r in rows) / 1e6:6.2f} MB {sum(r[2] for r in rows) / 1e6:6.2f} MB packed')
    for text in faults:
        print(text, file=sys.stderr)
    return 1 if faults else 0


sys.exit(main())
