import type { Exporter } from '../emitter.js';
import type { Importer } from '../reader.js';
import * as alongAxes from './along-axes.js';
import * as attention from './attention.js';
import * as elementwise from './elementwise.js';

import * as norm from './norm.js';
import * as ownForm from './own-form.js';
import * as pick from './pick.js';
import * as pool from './pool.js';
import * as products from './products.js';
import * as readAlongAxes from './read-along-axes.js';
import * as readCast from './read-cast.js';
import * as readElementwise from './read-elementwise.js';
import * as readShapes from './read-shapes.js';
import * as recurrent from './recurrent.js';
import * as shapes from './shapes.js';

const writers = [alongAxes, attention, elementwise, norm, ownForm, pick, pool, products, recurrent, shapes];
const readers = [norm, pick, pool, products, readAlongAxes, readCast, readElementwise, readShapes, recurrent];

/** How each operation here is written, by its name. */
export const exporters: ReadonlyMap<string, Exporter> = new Map(
  writers.flatMap(family => Object.entries(family.exporters)),
);

/** How each operator of the format is run, by its name. */
export const importers: ReadonlyMap<string, Importer> = new Map(
  readers.flatMap(family => Object.entries(family.importers)),
);
