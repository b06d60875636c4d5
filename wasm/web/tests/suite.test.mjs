// The suite in Node, by `node --test`.
import { test } from 'node:test';

import * as holt from '../pkg/node.js';
import { all } from './suite/all.mjs';

await holt.init();
all(test, holt);
