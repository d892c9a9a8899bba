/**
 * The program that each host runs: it trains a little, predicts, and prints one line that tells the addon it reached and what
 * came out.
 */
const body = `
random.seed(1);
const net = new nn.Sequential(new nn.Dense(16, { activation: 'relu' }), new nn.Dense(1));
net.initialize({ init: 'xavier' });
const x = random.uniform([64, 8]);
const y = x.square().sum({ axis: 1 });
const l2 = new loss.L2();
const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.01 });
for (let step = 0; step < 50; step++) {
  const error = autograd.record(() => l2(net(x), y));
  error.backward();
  trainer.step(64);
}
`;
const names = 'autograd, info, loss, nn, random, Trainer, version';
const line =
  "[version, info().platform, info().isa, predicted.shape.join('x'), l2(net(x), y).mean().item().toFixed(6)].join(' ')";
const end = `net.predict(x).then(predicted => console.log(${line}));`;

export const commonJs = `const { ${names} } = require('latent');\n${body}${end}\n`;
export const esModule = `import { ${names} } from 'latent';\n${body}${end}\n`;
export const typeScript = esModule;

const functionBody = `async function answer() {\n${body}const predicted = await net.predict(x);\nreturn ${line};\n}\n`;
/** A module with the function `answer`, which gives the line, for hosts that call it themselves. */
export const esFunction = `import { ${names} } from 'latent';\nexport ${functionBody}`;
export const commonJsFunction = `const { ${names} } = require('latent');\n${functionBody}exports.answer = answer;\n`;
