import { nn, zeros } from 'latent';

// Fifty layers, which the compiler folds as one; the last is checked against the one before it.
const net = new nn.Sequential(
  new nn.Conv2D(16, { kernelSize: 3 }), new nn.BatchNorm(), new nn.Activation('relu'), new nn.MaxPool2D(),
  new nn.Conv2D(32, { kernelSize: 3, inChannels: 16 }), new nn.BatchNorm(), new nn.Activation('relu'), new nn.MaxPool2D(),
  new nn.Flatten(), new nn.Dense(64),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.Activation('relu'), new nn.Dense(64, { inUnits: 64 }), new nn.Dropout(0.1),
  new nn.Dense(64, { inUnits: 64 }), new nn.LayerNorm(), new nn.Dense(64, { inUnits: 64 }), new nn.Dense(10, { inUnits: 64 }),
);
const y = net(zeros([32, 3, 28, 28]));
y.reshape([16, 20]);
