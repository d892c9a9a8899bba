import { disagreement } from '../support/onnx-models.js';
import { makeProgram, programInput, programNet } from '../support/programs.js';
import { full, makeRandom } from '../support/random.js';

const rounds = full ? 1000 : 150;

test(`${rounds} random programs answer from their files as they did, or are refused for what no file can say`, async () => {
  const wrong: string[] = [];
  let written = 0;
  for (let salt = 0; salt < rounds && wrong.length < 3; salt++) {
    const r = makeRandom(salt);
    const { net, call, program } = programNet(outside => makeProgram(r, r.int(2, 12), outside));
    net.initialize();
    const noise = program.lines.some(line => line.name === 'noise');
    const writes = program.lines.some(line => line.name === 'write');
    let model: Uint8Array;
    try {
      model = net.toOnnx({ inputShape: [-1, ...program.input] });
    } catch (error) {
      if (
        !(noise && /draws random numbers/.test(String(error))) &&
        !(writes && /writes to a tensor/.test(String(error)))
      )
        wrong.push(`${salt} ${program.text}: ${String(error)}`);
      continue;
    }
    // What nobody reads is not written, noise among it.
    if (noise) continue;
    written++;
    for (const batch of [3, 1, 4]) {
      const x = programInput(program, batch, salt);
      // Rounding grows where a program goes on from results as large as these.
      const bad = await disagreement(model, [x], call(x), { float32: 1e-4, float64: 1e-10 });
      if (bad !== null) wrong.push(`${salt} ${program.text}, batch ${batch}: ${bad}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(written).toBeGreaterThan(rounds / 3);
});
