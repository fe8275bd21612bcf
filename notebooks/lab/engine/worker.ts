/** @file The worker of the page: the engine behind Comlink. */
import { expose } from "comlink";
import { createEngine } from "./engine.ts";

expose(createEngine());
