/**
 * The systems that the package holds an addon for: the folder and file by prebuildify's names, the triple that zig builds
 * for, and the instruction sets that its kernels are compiled for.
 */
const x64 = ['scalar', 'avx2', 'avx512'];
const arm64 = ['scalar', 'neon'];

module.exports = [
  { file: 'linux-x64/latent.glibc.node', triple: 'x86_64-linux-gnu.2.17', sets: x64 },
  { file: 'linux-x64/latent.musl.node', triple: 'x86_64-linux-musl', sets: x64 },
  { file: 'linux-arm64/latent.glibc.node', triple: 'aarch64-linux-gnu.2.17', sets: arm64 },
  { file: 'linux-arm64/latent.musl.node', triple: 'aarch64-linux-musl', sets: arm64 },
  { file: 'darwin-x64/latent.node', triple: 'x86_64-macos.11.0', sets: x64 },
  { file: 'darwin-arm64/latent.node', triple: 'aarch64-macos.11.0', sets: arm64 },
  { file: 'win32-x64/latent.node', triple: 'x86_64-windows-gnu', sets: x64 },
  { file: 'win32-arm64/latent.node', triple: 'aarch64-windows-gnu', sets: arm64 },
];
