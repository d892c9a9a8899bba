/**
 * Runs models in onnxruntime for the tests: in a process of its own, for what the runtime's addon makes is of another realm
 * than a jest test's typed arrays, which it refuses.
 */
const { InferenceSession, Tensor } = require('../peers/node_modules/onnxruntime-node');

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

async function run({ model, feeds }) {
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, intraOpNumThreads: 1 });
  const given = Object.entries(feeds).map(([name, { type, dims, bytes }]) => [
    name,
    new Tensor(type, new arrays[type](bytes.slice().buffer), dims),
  ]);
  const results = await session.run(Object.fromEntries(given));
  return session.outputNames.map(name => {
    const { type, dims, data } = results[name];
    return { name, type, dims: [...dims], bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  });
}

process.on('message', ({ id, request }) => {
  run(request).then(
    outputs => process.send({ id, outputs }),
    error => process.send({ id, error: String(error.message ?? error) }),
  );
});
