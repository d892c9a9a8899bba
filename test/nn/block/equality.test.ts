import { nn, random, type Tensor } from '../../../lib/index.js';

function makeNet(): nn.Sequential {
  const net: nn.Sequential = new nn.Sequential();
  return net.add(new nn.Dense(3, { activation: 'tanh' })).add(new nn.Dense(2)) as nn.Sequential;
}

describe('blockEquals', () => {
  test('compares structure, states and values', () => {
    nn.resetNames();
    const net = makeNet();
    const other = makeNet();
    expect(nn.blockEquals(net, other)).toBe(true);
    net.initialize();
    expect(nn.blockEquals(net, other)).toBe(false);
    net(random.uniform([2, 4]));
    const twin = net.clone();
    expect(nn.blockEquals(net, twin)).toBe(true);
    twin.get(1, nn.Dense).weight.data().set([1, 2], 0.5);
    expect(nn.blockEquals(net, twin)).toBe(false);
    expect(nn.blockEquals(new nn.Dense(3), new nn.Dense(4))).toBe(false);
    expect(nn.blockEquals(new nn.Dense(3), new nn.Dense(3, { activation: 'relu' }))).toBe(false);
  });

  test('leaves to others what is no block', () => {
    expect(nn.blockEquals(1, 1)).toBeUndefined();
    expect(nn.blockEquals(new nn.Dense(1), () => 1)).toBe(false);
  });

  test("serves as jest's equality tester, and the serializer in snapshots", () => {
    // Not among the types of @types/jest yet.
    (expect as unknown as { addEqualityTesters(testers: unknown[]): void }).addEqualityTesters([nn.blockEquals]);
    expect.addSnapshotSerializer(nn.blockSerializer);
    expect({ net: makeNet() }).toEqual({ net: makeNet() });
    expect({ net: makeNet() }).not.toEqual({ net: new nn.Sequential() });
    expect(makeNet()).toMatchInlineSnapshot(`
      Sequential(
        (0): Dense(-1 -> 3, Activation(tanh))
        (1): Dense(-1 -> 2, linear)
      )
    `);
  });
});

describe('unowned', () => {
  test('a block that is only referred to may run, and is neither trained nor saved', () => {
    class Student extends nn.Block {
      readonly own1 = new nn.Dense(2);
      constructor(readonly teacher: nn.Unowned<nn.Dense>) {
        super();
      }
      forward(x: Tensor): Tensor {
        return this.own1(x).sub(this.teacher.block(x));
      }
    }
    const teacher = new nn.Dense(2, { inUnits: 3 });
    teacher.initialize();
    const student = new Student(nn.unowned(teacher as nn.Dense));
    student.initialize();
    expect(student(random.uniform([4, 3])).shape).toEqual([4, 2]);
    expect([...student.collectParams().keys()]).toEqual(['own1.weight', 'own1.bias']);
  });
});

describe('sharing by params', () => {
  test('raises where there is nothing to share, or what is asked for contradicts it', () => {
    const first = new nn.Dense(4);
    const net = new nn.Sequential(first);
    expect(() => new nn.Dense(4, { params: net.collectParams() })).toThrow(
      /has no parameter 'weight'; it has 0.weight, 0.bias/,
    );
    expect(() => new nn.Dense(5, { params: first.params })).toThrow(
      /has shape \[4, -1\], which cannot become \[5, -1\]/,
    );
    expect(() => new nn.Dense(4, { params: first.params, dtype: 'float64' })).toThrow(/is float32, not 'float64'/);
    expect(() => new nn.Dense(4, { params: first.params, weightInitializer: 'ones' })).toThrow(
      /has its own initializer/,
    );
  });

  test('inUnits follows the merged shape', () => {
    const first = new nn.Dense(4);
    const second = new nn.Dense(4, { params: first.params });
    expect(first.inUnits).toBe(-1);
    first.initialize();
    first(random.uniform([2, 6]));
    expect([first.inUnits, second.inUnits]).toEqual([6, 6]);
    expect(second.weight).toBe(first.weight);
  });
});
