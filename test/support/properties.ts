import fc from 'fast-check';

// A property has the runs that its test asks for, or those of a minute and a half: slow machines need an end, too.
fc.configureGlobal({ interruptAfterTimeLimit: 90_000 });

export { fc };
