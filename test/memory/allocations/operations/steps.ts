import { autograd, compileStep, nn, random, type Tensor, Trainer, tensor } from '../../../../lib/index.js';
import { labels, lossOf, ready, softmaxLoss, x } from './nets.js';
import type { Operation } from './operation.js';

export function steps(): Operation[] {
  const rules = ['sgd', 'adam', 'lamb', 'adadelta'] as const;
  return [
    ...rules.flatMap(rule =>
      [0, 1].map(
        (before): Operation => ({
          name: `step by ${rule} after ${before}`,
          prepare: () => {
            const net = ready();
            const options = { clipNorm: 0.5, ...(rule === 'sgd' && { momentum: 0.9 }) };
            const trainer = new Trainer(net.collectParams(), rule as 'adam', options);
            for (let i = 0; i <= before; i++) {
              autograd.record(() => lossOf(net)).backward();
              if (i < before) trainer.step(4);
            }
            return { nets: [net], trainers: [trainer], act: () => trainer.step(4) };
          },
        }),
      ),
    ),
    ...[0, 1].flatMap((before): Operation[] => [
      {
        name: `compiled step of a table after ${before}`,
        mayDropGradients: true,
        prepare: () => {
          random.seed(5);
          const net = new nn.Sequential(new nn.Embedding(20, 3), new nn.BatchNorm({ axis: -1 }), new nn.Dense(2));
          net.initialize();
          const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
          const step = compileStep(net, (y: Tensor) => y.square().sum() as Tensor, trainer);
          const ids = tensor(
            [
              [3, 4],
              [3, 19],
            ],
            { dtype: 'int32' },
          );
          net(ids);
          for (let i = 0; i < before; i++) step(ids);
          return { nets: [net], trainers: [trainer], act: () => step(ids) };
        },
      },
      {
        name: `compiled step of gradients that add up after ${before}`,
        mayDropGradients: true,
        prepare: () => {
          const net = ready();
          net.collectParams(/weight|bias|gamma|beta/).setAttr('gradReq', 'add');
          const trainer = new Trainer(net.collectParams(), 'sgd', { learningRate: 0.1 });
          const step = compileStep(net, softmaxLoss as never, trainer) as unknown as (x: Tensor, y: Tensor) => Tensor;
          const batch = [x(), labels()] as const;
          for (let i = 0; i < before; i++) step(...batch);
          return { nets: [net], trainers: [trainer], act: () => step(...batch) };
        },
      },
    ]),
    ...[0, 1].flatMap((before): Operation[] => {
      const compiled = () => {
        const net = ready();
        const trainer = new Trainer(net.collectParams(), 'adam', { learningRate: 0.01, clipNorm: 1 });
        const step = compileStep(net, softmaxLoss as never, trainer) as never as {
          (input: Tensor, labels: Tensor): Tensor;
          backward(input: Tensor, labels: Tensor): Tensor;
        };
        const batch = [x(), labels()] as const;
        for (let i = 0; i < before; i++) step(...batch);
        return { net, trainer, step, batch };
      };
      return [
        {
          name: `compiled step after ${before}`,
          mayDropGradients: true,
          prepare: () => {
            const { net, trainer, step, batch } = compiled();
            return { nets: [net], trainers: [trainer], act: () => step(...batch) };
          },
        },
        {
          name: `backward of a compiled step after ${before}`,
          mayDropGradients: true,
          prepare: () => {
            const { net, trainer, step, batch } = compiled();
            return { nets: [net], trainers: [trainer], act: () => step.backward(...batch) };
          },
        },
      ];
    }),
  ];
}
