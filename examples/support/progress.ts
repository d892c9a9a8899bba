import { SingleBar } from 'cli-progress';

/** A bar on a terminal; elsewhere a line for each tenth of an epoch. */
export class Progress {
  readonly #bar: SingleBar | null;
  readonly #started = performance.now();
  #tenth = 0;

  constructor(
    private readonly title: string,
    private readonly total: number,
  ) {
    this.#bar = process.stdout.isTTY
      ? new SingleBar({
          format: `${title} {bar} loss {loss}  accuracy {accuracy} %  {rate} samples/s  {eta_formatted} left`,
          barsize: 24,
          hideCursor: true,
        })
      : null;
    this.#bar?.start(total, 0, { loss: '-', accuracy: '-', rate: '-' });
  }

  update(done: number, lossValue: number, accuracy: number): void {
    const seconds = (performance.now() - this.#started) / 1000;
    const speed = done / seconds;
    const figures = {
      loss: lossValue.toFixed(4),
      accuracy: (100 * accuracy).toFixed(2),
      rate: Math.round(speed).toLocaleString('en-US'),
    };
    if (this.#bar !== null) {
      this.#bar.update(done, figures);
      return;
    }
    const tenth = Math.floor((10 * done) / this.total);
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    const left = ((this.total - done) / speed).toFixed(1);
    console.log(
      `${this.title} ${10 * tenth} %  loss ${figures.loss}  accuracy ${figures.accuracy} %  ${figures.rate} samples/s  ${left} s left`,
    );
  }

  stop(): void {
    this.#bar?.stop();
  }
}
