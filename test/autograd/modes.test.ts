import { ArgumentError, AutogradError, autograd, type Tensor, tensor } from '../../lib/index.js';
import { expectError } from '../support/errors.js';

const { isRecording, isTraining, pause, predictMode, record, trainMode } = autograd;
const modes = () => ({ recording: isRecording(), training: isTraining() });

describe('scopes', () => {
  test('set the modes for their callback and put them back', () => {
    expect(modes()).toEqual({ recording: false, training: false });
    expect(record(modes)).toEqual({ recording: true, training: true });
    expect(record(modes, { trainMode: false })).toEqual({ recording: true, training: false });
    expect(pause(modes)).toEqual({ recording: false, training: false });
    expect(pause(modes, { trainMode: true })).toEqual({ recording: false, training: true });
    expect(trainMode(modes)).toEqual({ recording: false, training: true });
    expect(predictMode(modes)).toEqual({ recording: false, training: false });
    expect(modes()).toEqual({ recording: false, training: false });
  });

  test('nest', () => {
    record(() => {
      expect(predictMode(modes)).toEqual({ recording: true, training: false });
      expect(pause(modes)).toEqual({ recording: false, training: false });
      expect(pause(() => record(modes))).toEqual({ recording: true, training: true });
      expect(pause(() => trainMode(modes))).toEqual({ recording: false, training: true });
      expect(predictMode(() => trainMode(modes))).toEqual({ recording: true, training: true });
      expect(modes()).toEqual({ recording: true, training: true });
    });
  });

  test('are left when the callback throws', () => {
    for (const scope of [record, pause, trainMode, predictMode]) {
      expect(() =>
        scope(() => {
          throw new RangeError('from inside');
        }),
      ).toThrow(new RangeError('from inside'));
      expect(modes()).toEqual({ recording: false, training: false });
      record(() => {
        try {
          scope(() => {
            throw new RangeError('from inside');
          });
        } catch {}
        expect(modes()).toEqual({ recording: true, training: true });
      });
    }
  });

  test('return what the callback returns', () => {
    const value = { any: 'thing' };
    for (const scope of [record, pause, trainMode, predictMode]) expect(scope(() => value)).toBe(value);
    expect(record(() => undefined)).toBeUndefined();
  });

  test.each(Object.entries({ record, pause, trainMode, predictMode }))('%s refuses a promise', async (name, scope) => {
    const message = `autograd.${name} takes a function that is done when it returns, but it returned a promise`;
    expectError(() => scope(async () => 1), AutogradError, message);
    expectError(
      () => scope(() => Object.fromEntries([['then', () => undefined]])),
      AutogradError,
      'await outside the scope',
    );
    expect(modes()).toEqual({ recording: false, training: false });
    // The promise that nobody gets must not end the process when it rejects.
    expectError(
      () =>
        scope(async () => {
          throw new Error('later');
        }),
      AutogradError,
      'promise',
    );
    await new Promise(resolve => setImmediate(resolve));
  });

  test('misuse', () => {
    expectError(() => record(1 as never), ArgumentError, 'autograd.record takes a function, but got 1');
    expectError(() => pause(undefined as never), ArgumentError, 'autograd.pause takes a function');
    expectError(() => record(() => 1, { train: true } as never), ArgumentError, "did you mean 'trainMode'?");
    expectError(() => record(() => 1, { trainMode: 1 } as never), ArgumentError, 'takes true or false, but got 1');
  });
});

describe('what is recorded', () => {
  const graph = (make: (x: Tensor) => Tensor) => {
    const x = tensor([1, 2, 3]).attachGrad() as Tensor;
    const y = make(x);
    return () => {
      y.backward();
      return x.grad!.toArray();
    };
  };
  const nothing = 'not computed from tensors with gradients inside autograd.record()';

  test('only what runs inside record', () => {
    expect(graph(x => record(() => x.square()))()).toEqual([2, 4, 6]);
    expectError(
      graph(x => x.square()),
      AutogradError,
      nothing,
    );
    expectError(
      graph(x => record(() => pause(() => x.square()))),
      AutogradError,
      nothing,
    );
    expectError(
      graph(x => record(() => x.detach().square())),
      AutogradError,
      nothing,
    );
  });

  test('what a pause computes is a constant to what follows', () => {
    expect(
      graph(x =>
        record(() => {
          const y = pause(() => x.square());
          return x.mul(y);
        }),
      )(),
    ).toEqual([1, 4, 9]);
  });

  test('both modes of training are recorded', () => {
    expect(graph(x => record(() => predictMode(() => x.square())))()).toEqual([2, 4, 6]);
    expect(graph(x => record(() => x.square(), { trainMode: false }))()).toEqual([2, 4, 6]);
  });

  test('two records make one graph', () => {
    expect(
      graph(x => {
        const y = record(() => x.square());
        return record(() => y.mul(x));
      })(),
    ).toEqual([3, 12, 27]);
  });
});
