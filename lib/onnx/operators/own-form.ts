import type { FormAttrs } from '../../ops/own-form.js';
import type { Exporter } from '../emitter.js';
import { Form, sameForm } from '../form.js';

export const exporters: Readonly<Record<string, Exporter>> = {
  /** A function of a user that has a form of its own. */
  ownForm: (e, call) => {
    const names = call.inputs.slice(0, -1).map((_, i) => e.name(call.value(i)));
    const [first, ...others] = call.node.attrs as readonly [FormAttrs, ...FormAttrs[]];
    const form = new Form(names.length, first);
    if (!others.every(other => sameForm(names.length, first, other)))
      call.refuseSizes('has a function write another form at other sizes');
    const nameOf = (place: string): string => (place === '' ? '' : (names[Number(place.slice(1))] as string));
    for (const addition of form.additions) {
      if ('constant' in addition) names.push(e.constant(addition.constant));
      else names.push(e.node(addition.type, addition.inputs.map(nameOf), addition.attributes));
    }
    return nameOf(form.result);
  },
};
