import { inspect } from 'node:util';
import { autograd, nn, random, ShapeError, type Tensor } from '../../../lib/index.js';
import { type Entry, inputOf, layers } from '../../support/layers.js';
import { allBits, bits, inFolder, thrown } from '../../support/nn-helpers.js';

/** Classes of nn that are no layers. */
const others = ['Block', 'Parameter', 'ParameterDict', 'Summary'];

/** The first result of a layer: cells also return their states. */
const call = (layer: nn.BlockBase, x: Tensor): Tensor => [(layer as nn.Block)(x)].flat()[0] as Tensor;
const net = (layer: nn.BlockBase): nn.Block => layer as nn.Block;

/** Where the layer's parameters stand. */
function standing(layer: nn.BlockBase): unknown {
  return [...layer.collectParams()].map(([path, p]) => [path, p.state, [...p.shape]]);
}

function initialized(entry: Entry, make = entry.make): nn.BlockBase {
  random.seed(3);
  const layer = make();
  layer.initialize({ init: 'uniform' });
  return layer;
}

test('every layer that is exported is here', () => {
  const exported = Object.entries(nn)
    .filter(([name, value]) => typeof value === 'function' && /^[A-Z]/.test(name) && !others.includes(name))
    .map(([name]) => name);
  expect(exported.filter(name => !(name in layers))).toEqual([]);
  expect(Object.keys(layers).filter(name => !exported.includes(name))).toEqual([]);
});

describe.each(Object.entries(layers))('%s', (name, entry) => {
  const x = inputOf(entry);

  test('prints what it knows, and is called by its class', () => {
    const layer = entry.make();
    if (typeof entry.print === 'string') expect(inspect(layer)).toBe(entry.print);
    else expect(inspect(layer)).toMatch(entry.print);
    expect(layer.name).toBe(name);
    if (entry.wrong !== undefined) expect(String(layer)).toContain('-1');
    // nameOwn() names the parameters of a layer before its first call.
    for (const [, p] of layer.collectParams()) expect(p.name).toMatch(/^[a-z0-9]+\d+_\w+$/);
  });

  test('tells its output shape before it has any parameter, and changes nothing by it', () => {
    const layer = entry.make();
    const before = standing(layer);
    const dtype = entry.ids === undefined ? 'float32' : 'int32';
    const told = (shape: number[]) => {
      const answer = layer.outputShape(shape, { dtype });
      return typeof answer[0] === 'number' ? answer : answer[0];
    };
    expect(told([...entry.input])).toEqual(entry.output);
    // The axis that holds the batch may be anything.
    expect(told([-1, ...entry.input.slice(1)])).toEqual([-1, ...entry.output.slice(1)]);
    expect(standing(layer)).toEqual(before);
  });

  test('its first forward settles everything, bit for bit as if the sizes had been given', () => {
    const layer = initialized(entry);
    const y = call(layer, x);
    expect(y.shape).toEqual(entry.output);
    expect([...layer.collectParams().values()].every(p => p.state === 'ready')).toBe(true);
    if (entry.sized === undefined) return;
    const sized = initialized(entry, entry.sized);
    expect([...sized.collectParams().values()].every(p => p.state === 'ready')).toBe(true);
    expect(allBits(net(layer))).toEqual(allBits(net(sized)));
    expect(bits(call(sized, x))).toBe(bits(y));
  });

  test('trains: its gradients are those of the layer with sizes given', () => {
    const [a, b] = [initialized(entry), initialized(entry, entry.sized ?? entry.make)];
    for (const layer of [a, b]) {
      random.seed(9);
      const input = entry.ids === undefined ? (x.clone().attachGrad() as Tensor) : x;
      autograd.record(() => call(layer, input).square().sum()).backward();
    }
    const gradients = (layer: nn.BlockBase) =>
      [...layer.collectParams().values()].map(p => bits(p.gradReq === 'null' ? p.data() : p.grad()));
    expect(gradients(a)).toEqual(gradients(b));
  });

  test('an input of another size raises, names the layer, and changes nothing', () => {
    if (entry.wrong === undefined) return;
    const layer = initialized(entry);
    call(layer, x);
    const before = allBits(net(layer));
    const error = thrown(() => call(layer, inputOf(entry, entry.wrong)));
    expect(error).toBeInstanceOf(ShapeError);
    expect(error.message).toContain(`its input has shape [${entry.wrong.join(', ')}]`);
    expect(allBits(net(layer))).toEqual(before);
    const known = initialized(entry, entry.sized);
    expect(thrown(() => call(known, inputOf(entry, entry.wrong)))).toBeInstanceOf(ShapeError);
  });

  test('a first forward that fails leaves it as it was, and a corrected one works', () => {
    const failing = new nn.Sequential(
      initialized(entry) as nn.Block,
      new nn.Lambda(() => {
        throw new Error('on purpose');
      }),
    );
    const before = standing(failing);
    expect(thrown(() => call(failing, x)).message).toBe('on purpose');
    expect(standing(failing)).toEqual(before);
    expect(call((failing as unknown as nn.Block[])[0]!, x).shape).toEqual(entry.output);
  });

  test('loads before any forward what another saved, and saves only when it can', () => {
    inFolder(folder => {
      const path = `${folder}/layer.safetensors`;
      const layer = initialized(entry);
      const y = call(layer, x);
      layer.saveParameters(path);
      const other = entry.make();
      other.loadParameters(path);
      expect(allBits(net(other))).toEqual(allBits(net(layer)));
      expect(bits(call(other, x))).toBe(bits(y));
      if (entry.wrong === undefined) return;
      expect(thrown(() => initialized(entry).saveParameters(path)).message).toMatch(/deferred|shape/);
    });
  });

  test('is cloned and cast before and after its first forward', () => {
    if (entry.ids === undefined) {
      const layer = initialized(entry);
      layer.cast('float64');
      expect(call(layer, x.cast('float64') as Tensor).dtype).toBe('float64');
    }
    const layer = initialized(entry);
    const copies = [layer.clone()];
    const y = call(layer, x);
    copies.push(layer.clone());
    for (const copy of copies) expect(bits(call(copy, x))).toBe(bits(y));
  });
});
