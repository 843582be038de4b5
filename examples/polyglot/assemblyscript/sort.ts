// AssemblyScript's library knows nothing of WASI; what is used of it is declared here.
@external("wasi_snapshot_preview1", "args_sizes_get")
declare function args_sizes_get(count: usize, size: usize): i32;
@external("wasi_snapshot_preview1", "args_get")
declare function args_get(pointers: usize, bytes: usize): i32;
@external("wasi_snapshot_preview1", "fd_write")
declare function fd_write(fd: i32, pieces: usize, count: i32, written: usize): i32;

const words = memory.data(16);

function args(): string[] {
  args_sizes_get(words, words + 4);
  const count = load<u32>(words);
  const pointers = heap.alloc(4 * count);
  args_get(pointers, heap.alloc(load<u32>(words + 4)));
  const list: string[] = [];
  for (let i: u32 = 1; i < count; i++) {
    const at = load<usize>(pointers + 4 * i);
    let len: usize = 0;
    while (load<u8>(at + len)) len++;
    list.push(String.UTF8.decodeUnsafe(at, len));
  }
  return list;
}

function say(line: string): void {
  const bytes = String.UTF8.encode(line + "\n");
  store<usize>(words, changetype<usize>(bytes));
  store<i32>(words + 4, bytes.byteLength);
  fd_write(1, words, 1, words + 8);
}

const list = args().sort();
for (let i = 0; i < list.length; i++) say(list[i]);
say("sorted by AssemblyScript");
