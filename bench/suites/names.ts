/** What our shares of the machine's limits are called in results. */
export const OF_PEAK = 'of peak';
export const OF_READING = 'of read bandwidth';
export const OF_BANDWIDTH = 'of bandwidth';

/** The same work without a plan. */
export const EAGER = 'eager';
